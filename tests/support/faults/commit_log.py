"""Reads commits.log of a run (actors/recovery/decision_log.hpp) without the program that wrote it."""

import struct

MAGIC, HEADER_BYTES = b"TROUPELG", 12
STEP_KIND = 3
STEP_AT = 17  # behind kind (1), job (8), epoch (4), since (4)


def crc32c(content):
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def records_of(content):
    """The payloads of all records; ValueError where one is not whole."""
    if content[:8] != MAGIC:
        raise ValueError("commits.log is no log")
    at = HEADER_BYTES
    while at < len(content):
        length, checksum = struct.unpack_from("<II", content, at)
        payload = content[at + 8:at + 8 + length]
        if len(payload) < length or crc32c(content[at:at + 4] + payload) != checksum:
            raise ValueError(f"commits.log is damaged at byte {at}")
        yield payload
        at += 8 + length


def decided_steps(file):
    """The steps in the order of their decisions, counted from 1."""
    payloads = [payload for payload in records_of(file.read_bytes()) if payload[0] == STEP_KIND]
    return [struct.unpack_from("<I", payload, STEP_AT)[0] + 1 for payload in payloads]
