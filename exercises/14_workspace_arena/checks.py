"""Checks of exercise 14: a workspace and its views."""

import gc
import math

import torch

from ptquiz.worker import claims

DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.uint8,
    torch.int8,
    torch.bool,
    torch.complex64,
]


COUNT, IN_USE, ASKED = (
    "allocation.all.allocated",
    "requested_bytes.all.current",
    "requested_bytes.all.allocated",
)


def _size(shape, dtype):
    return math.prod(shape) * torch.empty(0, dtype=dtype).element_size()


def _up(address):
    return -(-address // 256) * 256


def _specs(draw, count=8):
    """Pieces of odd sizes, every dtype among them over time."""
    dtypes = draw.rng.sample(DTYPES, count)
    shapes = [(draw.integer(1, 9),), (3, draw.integer(1, 30)), (), (1,), (2, 3, 5), (65,), (257,), (1, 1, 7)]
    return [(shape, dtype) for shape, dtype in zip(draw.rng.sample(shapes, count), dtypes, strict=True)]


def _offsets(specs, begin=0):
    """Where each piece must lie, as addresses, and where the last one ends."""
    offsets, end = [], begin
    for shape, dtype in specs:
        offsets.append(_up(end))
        end = offsets[-1] + _size(shape, dtype)
    return offsets, end


def _workspace(nbytes, device="cuda"):
    return torch.zeros(nbytes, dtype=torch.uint8, device=device)


def _carve(submission, workspace, specs):
    what = ("carve(workspace, specs)", "carve(workspace, specs)")
    pieces = claims.instance(submission.carve(workspace, specs), list, what)
    claims.same(len(pieces), len(specs), (f"len({what[0]})",) * 2)
    for number, (piece, (shape, dtype)) in enumerate(zip(pieces, specs, strict=True)):
        name = (f"piece {number}, spec ({shape}, {dtype})", f"第 {number} 块，spec ({shape}, {dtype})")
        claims.tensor(piece, name, shape=shape, dtype=dtype, device=workspace.device)
    return pieces


def _bits(tensor):
    """The bytes of a piece, on the host."""
    return tensor.detach().cpu().reshape(-1).view(torch.uint8)


def test_reserve(submission, draw, gpu):
    """reserve returns bytes on the device."""
    for device in ("cuda", 0, "cuda:1", 1, torch.device("cuda", 1)):
        for nbytes in (1, 1000, draw.integer(2000, 9000)):
            where = torch.device("cuda", device) if isinstance(device, int) else torch.device(device)
            what = f"reserve({nbytes}, {device!r})"
            claims.tensor(
                submission.reserve(nbytes, device), what, shape=(nbytes,), dtype=torch.uint8, device=where
            )
    claims.same(torch.cuda.current_device(), 0, ("the current device afterwards", "之后的当前设备"))
    for device, index in (("cuda", 1), (torch.device("cuda"), 1), (0, 0), ("cuda:0", 0)):
        with torch.cuda.device(1):
            workspace = submission.reserve(99, device)
            current = torch.cuda.current_device()
        what = (
            f"reserve(99, {device!r}) while cuda:1 is the current device",
            f"当前设备是 cuda:1 时的 reserve(99, {device!r})",
        )
        claims.tensor(workspace, what, shape=(99,), dtype=torch.uint8, device=f"cuda:{index}")
        claims.same(current, 1, ("the current device afterwards", "之后的当前设备"))


def test_one_allocation(submission, draw, gpu):
    """reserve allocates once and the right size."""
    for nbytes in (1, 513, draw.integer(100_000, 900_000), 3_000_000):
        before = torch.cuda.memory_stats(1)
        workspace = submission.reserve(nbytes, "cuda:1")
        after = torch.cuda.memory_stats(1)
        what = f"reserve({nbytes}, 'cuda:1')"
        grown = {key: after[key] - before[key] for key in (COUNT, IN_USE, ASKED)}
        made = grown[COUNT]
        claims.that(
            made == 1,
            (f"{what} makes one allocation", f"{what} 只做一次分配"),
            (f"{made} allocations", f"{made} 次分配"),
        )
        look = ("one byte an element, and no temporary tensor", "每个元素一字节，不要临时张量")
        for key in (IN_USE, ASKED):
            claims.that(
                grown[key] == nbytes,
                (
                    f"{what}: bytes asked of the allocator == {nbytes}",
                    f"{what}：向分配器请求的字节数 == {nbytes}",
                ),
                f"{grown[key]}",
                look,
            )
        del workspace, after
        left = _in_use(1) - before[IN_USE]
        _nothing_left(left, (f"the workspace of {what} is gone", f"{what} 的工作区丢弃之后"))


def _in_use(device=0):
    """Bytes of live tensors, as they were asked for."""
    gc.collect()
    return torch.cuda.memory_stats(device)[IN_USE]


def _nothing_left(left, case):
    claims.that(
        left == 0,
        (f"when {case[0]}, none of its memory is in use", f"{case[1]}，它的内存不再被占用"),
        (f"{left} bytes still are", f"仍占用 {left} 字节"),
        ("who else holds the workspace, or a piece of it?", "还有谁引用着工作区或其中某一块？"),
    )


def test_shapes(submission, draw, gpu):
    """The pieces have their shapes and dtypes."""
    for _ in range(3):
        specs = _specs(draw)
        pieces = _carve(submission, _workspace(1 << 16), specs)
        for number, piece in enumerate(pieces):
            claims.that(
                piece.is_contiguous(),
                (f"piece {number} is contiguous", f"第 {number} 块是连续的"),
                f"strides {piece.stride()}",
            )
    _carve(submission, _workspace(1 << 16, "cuda:1"), _specs(draw))


def test_views(submission, draw, gpu):
    """The pieces are views of the workspace."""
    workspace = _workspace(1 << 16)
    specs = _specs(draw)
    for number, piece in enumerate(_carve(submission, workspace, specs)):
        workspace.zero_()
        piece.fill_(1)
        count = int((workspace != 0).sum())
        same = piece.untyped_storage().data_ptr() == workspace.untyped_storage().data_ptr()
        claims.that(
            same and count > 0,
            (f"writing to piece {number} writes to the workspace", f"写第 {number} 块就是写工作区"),
            (
                "the workspace did not change: the piece has memory of its own",
                "工作区没有变化：这一块有自己的内存",
            ),
            (
                "view(dtype) reinterprets, to(dtype) and clone() copy",
                "view(dtype) 是重新解释，to(dtype) 和 clone() 会复制",
            ),
        )
        workspace.fill_(1)
        piece.zero_()
        claims.that(
            not bool(piece.any()),
            (f"piece {number} is writable", f"第 {number} 块可写"),
            claims.summary(piece),
        )


def _placed(workspace, pieces, specs, where=("", "")):
    """Claim that the pieces lie where the packing puts them."""
    begin = workspace.data_ptr()
    offsets, _ = _offsets(specs, begin)
    for number, (piece, expected) in enumerate(zip(pieces, offsets, strict=True)):
        if piece.numel() == 0:
            continue
        name = (f"{where[0]}piece {number}", f"{where[1]}第 {number} 块")
        claims.that(
            piece.data_ptr() % 256 == 0,
            (f"{name[0]} begins at a multiple of 256 bytes", f"{name[1]}的起始地址是 256 的倍数"),
            (f"data_ptr() % 256 == {piece.data_ptr() % 256}",) * 2,
            ("what counts is the address, not the offset in the slice", "看的是地址，不是切片内的偏移"),
        )
        claims.that(
            piece.data_ptr() == expected,
            (
                f"{name[0]} begins {expected - begin} bytes behind the workspace's beginning",
                f"{name[1]}从工作区开头之后 {expected - begin} 字节处开始",
            ),
            (f"{piece.data_ptr() - begin} bytes behind it", f"之后 {piece.data_ptr() - begin} 字节处"),
            ("no gap beyond what the alignment needs", "除对齐所需外不留空隙"),
        )


def test_disjoint(submission, draw, gpu):
    """Writing to one piece leaves the others alone."""
    workspace = _workspace(1 << 16)
    specs = [(shape, dtype) for shape, dtype in _specs(draw) if dtype is not torch.bool]
    specs += [
        ((256,), torch.uint8),
        ((64,), torch.float32),
        ((65,), torch.float32),
        ((513,), torch.int8),
        ((33,), torch.float64),
        ((3,), torch.int16),
    ]
    pieces = _carve(submission, workspace, specs)
    for number, piece in enumerate(pieces):
        piece.fill_(number + 1)
    for number, (piece, (shape, dtype)) in enumerate(zip(pieces, specs, strict=True)):
        expected = torch.full(shape, number + 1, dtype=dtype)
        what = (f"piece {number} after all were filled", f"全部填充之后的第 {number} 块")
        claims.same(_bits(piece), _bits(expected), what, ("the pieces overlap", "各块有重叠"))


def test_aligned(submission, draw, gpu):
    """Each piece begins at a multiple of 256, densely packed."""
    for _ in range(3):
        specs = _specs(draw)
        workspace = _workspace(1 << 16)
        _placed(workspace, _carve(submission, workspace, specs), specs)
    specs = [((256,), torch.uint8), ((64,), torch.float32), ((1,), torch.int8), ((32,), torch.int64)]
    workspace = _workspace(1 << 12)
    for where in (("", ""), ("carved for the second time, ", "第二次切分时，")):
        _placed(workspace, _carve(submission, workspace, specs), specs, where)


def test_slice(submission, draw, gpu):
    """A slice of a larger workspace works."""
    whole = _workspace(1 << 16)
    for begin in (1, 255, 256, 300, draw.integer(3, 999)):
        specs = _specs(draw, 5)
        part = whole[begin : begin + 20_000]
        whole.zero_()
        pieces = _carve(submission, part, specs)
        _placed(part, pieces, specs, (f"workspace[{begin}:]: ", f"workspace[{begin}:]："))
        for piece in pieces:
            piece.fill_(1)
        outside = int(whole[:begin].count_nonzero() + whole[begin + 20_000 :].count_nonzero())
        claims.same(outside, 0, ("bytes written outside the slice", "写到切片之外的字节数"))


def test_exact_fit(submission, draw, gpu):
    """It may fill the workspace to the last byte."""
    for _ in range(4):
        specs = _specs(draw, 5)
        _, end = _offsets(specs)
        workspace = _workspace(end)
        _placed(workspace, _carve(submission, workspace, specs), specs)


def test_empty(submission, draw, gpu):
    """Empty pieces and no pieces."""
    workspace = _workspace(4096)
    claims.same(_carve(submission, workspace, []), [], "carve(workspace, [])")
    specs = [
        ((0, 3), torch.float64),
        ((5,), torch.float32),
        ((2, 0), torch.int16),
        ((), torch.int64),
        ((0,), torch.bool),
        ((7,), torch.uint8),
    ]
    pieces = _carve(submission, workspace, specs)
    filled = [spec for spec in specs if _size(*spec)]
    _placed(
        workspace,
        [piece for piece in pieces if piece.numel()],
        filled,
        ("beside empty pieces, ", "与空块同在时，"),
    )
    pieces = _carve(submission, _workspace(600), [((0,), torch.float32), ((5,), torch.int32)])
    claims.same(pieces[1].numel(), 5, ("an empty piece takes no space", "空块不占空间"))
    # Between and behind pieces of odd sizes, and where the workspace ends.
    for nbytes, specs in (
        (601, [((601,), torch.uint8), ((0,), torch.float64)]),
        (300, [((5,), torch.int8), ((0, 2), torch.int64), ((44,), torch.bool)]),
    ):
        workspace = _workspace(nbytes)
        _fits(submission, workspace, specs)


def _fits(submission, workspace, specs):
    try:
        pieces = _carve(submission, workspace, specs)
    except ValueError as error:
        try:
            claims.fail(
                (
                    f"{workspace.numel()} bytes are enough for {specs}",
                    f"{workspace.numel()} 字节足够放下 {specs}",
                ),
                f"ValueError: {error}",
                ("an empty piece takes no space", "空块不占空间"),
            )
        except claims.Unmet as unmet:
            raise unmet from error  # the learner's line is found in the cause
    filled = [spec for spec in specs if _size(*spec)]
    where = ("beside empty pieces, ", "与空块同在时，")
    _placed(workspace, [piece for piece in pieces if piece.numel()], filled, where)


def test_too_small(submission, draw, gpu):
    """Too small a workspace raises before anything is written."""
    for missing in (1, 7, 300):
        specs = [*_specs(draw, 5), ((400,), torch.uint8)]
        _, end = _offsets(specs)
        workspace = torch.full((end - missing,), 7, dtype=torch.uint8, device="cuda")
        what = (f"carve with {missing} bytes too few", f"少 {missing} 字节时的 carve")
        claims.raises(ValueError, lambda w=workspace, s=specs: submission.carve(w, s), what)
        claims.that(
            bool((workspace == 7).all()),
            ("the workspace is as it was", "工作区保持原样"),
            ("some bytes were written", "有字节被写过"),
        )
    whole = torch.full((4096,), 7, dtype=torch.uint8, device="cuda")
    what = (
        "carve of a slice that is too small, in a larger workspace",
        "切片太小（但所在工作区很大）时的 carve",
    )
    claims.raises(ValueError, lambda: submission.carve(whole[1:400], [((100,), torch.float32)]), what)


def test_no_work(submission, draw, gpu):
    """carve allocates, copies and computes nothing."""
    workspace, specs = _workspace(1 << 16), _specs(draw)
    gpu.settle()
    before = torch.cuda.memory_stats()[COUNT]
    gpu.busy(5.0)
    with gpu.record() as seen:
        pieces = submission.carve(workspace, specs)
    made = torch.cuda.memory_stats()[COUNT] - before
    claims.that(
        made == 0,
        ("carve allocates nothing", "carve 不做任何分配"),
        (f"{made} allocations", f"{made} 次分配"),
        ("views need no memory", "视图不需要内存"),
    )
    work = [op.name for op in [*seen.kernels, *seen.copies]]
    claims.that(
        not work, ("no work on the device during carve", "carve 期间设备上没有任何工作"), ", ".join(work)
    )
    seen.no_wait()
    del pieces


def test_lifetime(submission, draw, gpu):
    """Only the workspace and its pieces keep the memory alive."""
    for last, case in (
        ("workspace", ("the pieces and then the workspace are gone", "各块先丢弃、工作区后丢弃之后")),
        ("pieces", ("the workspace and then its pieces are gone", "工作区先丢弃、各块后丢弃之后")),
        ("piece", ("all is gone, a single piece last", "全部丢弃、最后丢弃其中一块之后")),
    ):
        before, nbytes = _in_use(), draw.integer(20_000, 90_000)
        workspace, specs = submission.reserve(nbytes, "cuda"), [((999,), torch.uint8), *_specs(draw)]
        for _ in range(2):
            pieces = _carve(submission, workspace, specs)
        held = {"workspace": [workspace], "pieces": [*pieces], "piece": pieces[:1]}[last]
        del workspace, pieces
        if last != "workspace":
            _outlives(held[0], nbytes)
        held.clear()
        _nothing_left(_in_use() - before, case)


def _outlives(piece, nbytes):
    """The piece keeps its memory: another workspace does not get it."""
    piece.fill_(7)
    other = _workspace(nbytes).fill_(9)
    claims.that(
        bool((piece == 7).all()),
        ("a piece keeps its contents when the workspace is gone", "工作区丢弃之后，各块的内容不变"),
        claims.summary(piece),
        ("a piece keeps the memory alive, too", "各块同样让内存继续存活"),
    )
    del other
