"""Fewer triangles for what is only looked at: simplify the visual meshes of a compiled MuJoCo model in place."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

CREASE = np.cos(np.radians(50.0))
"""Faces that meet at more than this angle keep a sharp edge between them."""


def simplify_visual_meshes(model: Any, keep: float = 0.05, at_least: int = 60) -> int:
    """Simplify every mesh that is drawn but never collides; physics stays bit for bit what it was.

    Must run before the render context is made, for that is when MuJoCo hands meshes to OpenGL.

    Args:
        model: A `mujoco.MjModel`; its mesh arrays are overwritten in place.
        keep: Share of a mesh's triangles that is kept.
        at_least: Triangles that a mesh keeps in any case, if it has them.

    Returns:
        How many triangles the simplified meshes have together.
    """
    import mujoco

    is_mesh = model.geom_type == mujoco.mjtGeom.mjGEOM_MESH
    collides = (model.geom_contype | model.geom_conaffinity) != 0
    drawn_only = set(model.geom_dataid[is_mesh & ~collides]) - set(model.geom_dataid[is_mesh & collides])
    return sum(_simplify(model, int(mesh), keep, at_least) for mesh in sorted(drawn_only))


def _simplify(model: Any, mesh: int, keep: float, at_least: int) -> int:
    import fast_simplification

    first, count = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    first_vertex, room = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    first_normal, normal_room = model.mesh_normaladr[mesh], model.mesh_normalnum[mesh]
    target = max(at_least, int(keep * count))
    vertices, faces = _weld(model.mesh_vert[first_vertex : first_vertex + room], model.mesh_face[first : first + count])
    if target < len(faces):
        vertices, faces = fast_simplification.simplify(vertices, faces, target_count=target)
        faces = faces[_areas(vertices, faces) > 0]
    normals, corners = _normals(vertices, faces)
    # MuJoCo's arrays have fixed room. A mesh that does not fit (never seen, all shrink) stays as it is.
    if len(faces) > count or len(vertices) > room or len(normals) > normal_room:
        return int(count)
    model.mesh_vert[first_vertex : first_vertex + len(vertices)] = vertices
    model.mesh_normal[first_normal : first_normal + len(normals)] = normals
    model.mesh_face[first : first + len(faces)] = faces
    model.mesh_facenormal[first : first + len(faces)] = corners
    model.mesh_facenum[mesh] = len(faces)
    return len(faces)


def _weld(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Merge vertices at the same place (meshes come split along seams) and drop triangles that collapse."""
    unique, index = np.unique(np.round(vertices, 6), axis=0, return_inverse=True)
    welded = index.reshape(-1)[faces].astype(np.int32)
    a, b, c = welded.T
    return unique.astype(np.float32), welded[(a != b) & (b != c) & (a != c)]


def _areas(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.float32]:
    return np.asarray(np.linalg.norm(_crosses(vertices, faces), axis=1), dtype=np.float32)


def _crosses(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.float32]:
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return np.asarray(np.cross(b - a, c - a), dtype=np.float32)


def _normals(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Normals (n, 3) and, for every corner of every face, which one it has (faces, 3): smooth but for creases."""
    crosses = _crosses(vertices, faces)
    flat = crosses / np.maximum(np.linalg.norm(crosses, axis=1, keepdims=True), 1e-20)
    corner_vertex = faces.reshape(-1)
    corner_face = np.repeat(np.arange(len(faces)), 3)
    # All pairs (corner, face at the same vertex), in one array each.
    by_vertex = np.argsort(corner_vertex, kind="stable")
    valence = np.bincount(corner_vertex, minlength=len(vertices))
    first = np.cumsum(valence) - valence
    repeats = valence[corner_vertex]
    corner = np.repeat(np.arange(len(corner_vertex)), repeats)
    rank = np.arange(len(corner)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    face = corner_face[by_vertex[first[corner_vertex[corner]] + rank]]
    joined = np.einsum("ij,ij->i", flat[face], flat[corner_face[corner]]) >= CREASE
    corner, face = corner[joined], face[joined]
    smooth = np.stack([np.bincount(corner, crosses[face, i], len(corner_vertex)) for i in range(3)], axis=1)
    smooth = smooth / np.maximum(np.linalg.norm(smooth, axis=1, keepdims=True), 1e-20)
    normals, index = np.unique(np.round(smooth, 4), axis=0, return_inverse=True)
    return normals.astype(np.float32), index.reshape(-1, 3).astype(np.int32)
