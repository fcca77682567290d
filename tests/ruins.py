"""Files of arrays as disks, copies and people leave them."""

import io

import numpy as np


def ruined(whole: bytes) -> dict[str, bytes]:
    """What can become of an `.npz` file, by name: nothing of it is such a file any more."""
    array = io.BytesIO()
    np.save(array, np.zeros(3))
    # The first entry's data lie behind its header; what each entry is made with stands at the end.
    inside, table = 200, whole.index(b"PK\x01\x02")
    return {
        "empty": b"",
        "text": b"nothing",
        "cut": whole[: len(whole) // 2],
        "npy": array.getvalue(),
        "changed inside": whole[:inside] + b"\xff" * 64 + whole[inside + 64 :],
        "from the future": whole[: table + 6] + b"\xff" + whole[table + 7 :],
    }
