"""The names of video codecs by the formats of MP4 and QuickTime files."""

TAKEN = frozenset({"H.264", "H.265"})
_NAMES = {
    "H.264": "avc1 avc2 avc3 avc4 dvav dva1 h264 H264 x264 X264",
    "H.265": "hvc1 hev1 hvc2 hev2 dvh1 dvhe hevc H265",
    "H.266": "vvc1 vvi1",
    "VP8": "vp08",
    "VP9": "vp09",
    "AV1": "av01",
    "H.263": "s263 h263 H263",
    "ProRes": "apch apcn apcs apco ap4h ap4x",
    "DNxHD": "AVdn AVdh",
    "CineForm": "CFHD",
    "Motion JPEG": "jpeg mjpa mjpb",
    "PNG": "png ",
    "DV": "dvc  dvcp dvpp dv5n dv5p",
    "Sorenson Video": "SVQ1 SVQ3",
    "Cinepak": "cvid",
    "Animation": "rle ",
}
_BY_FORMAT = {listed[at : at + 4].encode(): name for name, listed in _NAMES.items() for at in range(0, len(listed), 5)}
_BY_OBJECT_TYPE = {
    0x20: "MPEG-4 Part 2",
    0x21: "H.264",
    0x23: "H.265",
    **dict.fromkeys(range(0x60, 0x66), "MPEG-2"),
    0x6A: "MPEG-1",
    0x6C: "Motion JPEG",
    0x6D: "PNG",
    0xB1: "VP9",
}


def name(format: bytes) -> str | None:
    """What people call a codec; None for one that is not known here.

    A format is four letters, and for `mp4v` after them the number that MPEG-4's registry has for the codec.
    """
    if format.startswith(b"mp4v"):
        return _BY_OBJECT_TYPE.get(format[4]) if len(format) > 4 else None
    return _BY_FORMAT.get(format)
