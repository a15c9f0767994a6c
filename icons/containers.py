"""Packs the PNG files <pixels>.png of one directory into icon.ico and icon.icns beside this script."""

import pathlib
import struct
import sys

# The first entry is what a program without a better choice shows.
ICO_SIZES = [32, 16, 24, 48, 64, 256]
ICNS_TYPES = [
    (b"icp4", 16),
    (b"icp5", 32),
    (b"ic11", 32),
    (b"ic12", 64),
    (b"ic07", 128),
    (b"ic13", 256),
    (b"ic08", 256),
    (b"ic14", 512),
    (b"ic09", 512),
    (b"ic10", 1024),
]


def ico(images: dict[int, bytes]) -> bytes:
    head = struct.pack("<HHH", 0, 1, len(ICO_SIZES))
    offset = len(head) + 16 * len(ICO_SIZES)
    entries, data = b"", b""
    for size in ICO_SIZES:
        image = images[size]
        side = size % 256  # 256 is written as 0
        entries += struct.pack("<BBBBHHII", side, side, 0, 0, 1, 32, len(image), offset + len(data))
        data += image
    return head + entries + data


def icns(images: dict[int, bytes]) -> bytes:
    data = b"".join(kind + struct.pack(">I", 8 + len(images[size])) + images[size] for kind, size in ICNS_TYPES)
    return b"icns" + struct.pack(">I", 8 + len(data)) + data


def main() -> None:
    parts = pathlib.Path(sys.argv[1])
    here = pathlib.Path(__file__).parent
    images = {int(path.stem): path.read_bytes() for path in parts.glob("*.png")}
    (here / "icon.ico").write_bytes(ico(images))
    (here / "icon.icns").write_bytes(icns(images))


main()
