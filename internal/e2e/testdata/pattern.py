# The picture of pattern.js: a magenta frame around black and white cells that carry the clock, a frame counter, a
# number and a checksum.
import time

COLUMNS, ROWS = 16, 5


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
            crc &= 0xFFFF
    return crc


def layout(width, height):
    """The edge of a cell, and where the frame begins: left, top."""
    cell = min(int(width * 0.9) // (COLUMNS + 2), int(height * 0.7) // (ROWS + 2))
    return cell, (width - cell * (COLUMNS + 2)) // 2, int(height * 0.05)


def draw(width, height, count, number=1):
    """The picture of this moment, as rows of red, green and blue."""
    cell, left, top = layout(width, height)
    word = (int(time.time() * 1000) << 20) | ((count & 0xFFFF) << 4) | number
    data = word.to_bytes(8, "big")
    data += crc16(data).to_bytes(2, "big")
    ground, magenta, black, white = b"\x22\x22\x33", b"\xff\x00\xff", b"\x00\x00\x00", b"\xff\xff\xff"

    def row(cells):
        return ground * left + b"".join(c * cell for c in cells) + ground * (width - left - cell * (COLUMNS + 2))

    edge = row([magenta] * (COLUMNS + 2)) * cell
    rows = [ground * width * top, edge]
    for r in range(ROWS):
        bits = [data[(r * COLUMNS + c) >> 3] >> (7 - c % 8) & 1 for c in range(COLUMNS)]
        rows.append(row([magenta] + [white if b else black for b in bits] + [magenta]) * cell)
    rows.append(edge)
    left_over = height - top - cell * (ROWS + 2)
    bar, at = width // 8, count * 7 % (width - width // 8)
    moving = ground * at + b"\x20\xd0\x40" * bar + ground * (width - at - bar)
    rows += [ground * width * (left_over // 2), moving * (left_over - left_over // 2)]
    return b"".join(rows)


class Reader:
    """Reads pictures back from their brightness, and keeps what they were like."""

    def __init__(self):
        self.frames = self.backwards = 0
        self.faults, self.sizes, self.ages, self.last = {}, [], [], None

    def look(self, plane, stride, width, height):
        self.frames += 1
        size = "%dx%d" % (width, height)
        if size not in self.sizes:
            self.sizes.append(size)
        cell, left, top = layout(width, height)
        bits = 0
        for i in range(COLUMNS * ROWS):
            x, y = left + cell * (1 + i % COLUMNS) + cell // 2, top + cell * (1 + i // COLUMNS) + cell // 2
            bits = bits << 1 | (plane[y * stride + x] > 126)
        data = bits.to_bytes(10, "big")
        if crc16(data[:8]) != int.from_bytes(data[8:], "big"):
            self.faults["checksum"] = self.faults.get("checksum", 0) + 1
            return
        word = int.from_bytes(data[:8], "big")
        stamp = word >> 20
        if self.last is not None and stamp <= self.last:
            self.backwards += 1
        self.last = stamp
        self.ages.append(int(time.time() * 1000) - stamp)

    def figures(self):
        ages = sorted(self.ages) or [0]
        return {
            "frames": self.frames, "read": len(self.ages), "faults": self.faults, "backwards": self.backwards,
            "sizes": self.sizes, "median": ages[len(ages) // 2], "oldest": ages[-1],
        }
