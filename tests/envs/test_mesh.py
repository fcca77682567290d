import mujoco
import numpy as np

from faultfield.envs._mesh import simplify_visual_meshes


def sphere(collides: bool) -> mujoco.MjModel:
    """A finely meshed unit sphere, 20 480 triangles, drawn only or colliding too."""
    t = np.linspace(0, np.pi, 65)
    p = np.linspace(0, 2 * np.pi, 129)[:-1]
    ring = [(np.sin(a) * np.cos(b), np.sin(a) * np.sin(b), np.cos(a)) for a in t[1:-1] for b in p]
    points = np.array([(0, 0, 1), *ring, (0, 0, -1)])
    faces, n = [], len(p)
    for i in range(len(t) - 3):
        for j in range(n):
            a, b = 1 + i * n + j, 1 + i * n + (j + 1) % n
            faces += [(a, a + n, b), (b, a + n, b + n)]
    last = len(points) - 1
    for j in range(n):
        faces += [(0, 1 + j, 1 + (j + 1) % n), (last, last - n + (j + 1) % n, last - n + j)]
    flags = 'contype="1"' if collides else 'contype="0" conaffinity="0"'
    text = " ".join(map(str, points.ravel())), " ".join(str(v) for f in faces for v in f)
    return mujoco.MjModel.from_xml_string(
        f'<mujoco><asset><mesh name="ball" vertex="{text[0]}" face="{text[1]}"/></asset>'
        f'<worldbody><geom type="mesh" mesh="ball" {flags}/></worldbody></mujoco>'
    )


def triangles(model: mujoco.MjModel) -> tuple[np.ndarray, np.ndarray]:
    count = model.mesh_facenum[0]
    return model.mesh_vert[model.mesh_face[:count]], model.mesh_normal[model.mesh_facenormal[:count]]


def test_a_sphere_of_few_triangles_is_still_a_sphere() -> None:
    model = sphere(collides=False)
    before = model.mesh_facenum[0]
    left = simplify_visual_meshes(model, keep=0.05)
    corners, normals = triangles(model)
    assert left == len(corners) <= 0.06 * before
    np.testing.assert_allclose(np.linalg.norm(corners, axis=2), 1.0, atol=0.02)
    # Normals of a smooth sphere point along the radius, and are of unit length.
    np.testing.assert_allclose(np.linalg.norm(normals, axis=2), 1.0, atol=1e-3)
    assert (normals * corners).sum(axis=2).min() > 0.95
    a, b, c = corners.transpose(1, 0, 2)
    volume = np.einsum("ij,ij->", a, np.cross(b, c)) / 6
    assert abs(volume - 4 / 3 * np.pi) < 0.1


def test_what_collides_is_left_alone() -> None:
    model = sphere(collides=True)
    before = [array.copy() for array in triangles(model)]
    assert simplify_visual_meshes(model) == 0
    for ours, theirs in zip(triangles(model), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
