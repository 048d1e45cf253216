"""Hidden checks of exercise 3: a small MNIST in the real file format."""

import socket
import struct

import torch

from ptquiz.worker import claims

NAMES = {True: "train", False: "t10k"}
GENERATOR = (
    "a generator of its own, seeded once when the loader is built",
    "loader 自己的、创建时播种一次的 generator",
)


def _idx(path, values):
    """Write bytes of any shape as MNIST does: magic number, sizes, data, all big-endian."""
    header = struct.pack(f">{1 + values.dim()}I", 0x0800 + values.dim(), *values.shape)
    path.write_bytes(header + values.numpy().tobytes())


def _files(draw, root, sizes=((19, 29), (11, 17))):
    """Write both halves, their sizes in these ranges; {train: (bytes (N, 28, 28), labels (N,))}."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    halves = {}
    for train, (low, high) in zip((True, False), sizes, strict=True):
        size = draw.integer(low, high)
        images = draw.integers(0, 256, (size, 28, 28), dtype=torch.uint8)
        images[:, 0, :2] = torch.tensor([0, 255], dtype=torch.uint8)
        halves[train] = (images, draw.integers(0, 10, (size,)))
        _idx(raw / f"{NAMES[train]}-images-idx3-ubyte", images)
        _idx(raw / f"{NAMES[train]}-labels-idx1-ubyte", halves[train][1].to(torch.uint8))
    return halves


def _epoch(loader):
    """One pass over the loader as a list of (images, labels)."""
    batches = []
    for batch in loader:
        pair = claims.instance(batch, (tuple, list), ("a batch", "一个 batch"))
        claims.that(
            len(pair) == 2,
            ("a batch is a pair (images, labels)", "batch 是 (images, labels)"),
            (f"{len(pair)} entries", f"{len(pair)} 项"),
        )
        batches.append(tuple(pair))
    return batches


def _numbers(batches, half):
    """Which samples of the file came, in order; claims that each is one of them, with its label."""
    images, labels = half
    known = {image.numpy().tobytes(): i for i, image in enumerate(images)}
    came = []
    for x, y in batches:
        pixels = x.double().mul(0.5).add(0.5).mul(255)
        whole = pixels.round().clamp(0, 255).to(torch.uint8)
        if bool((pixels - whole).abs().max() > 0.01) or any(
            i.numpy().tobytes() not in known for i in whole[:, 0]
        ):
            claims.fail(
                (
                    "images of the file, as (pixel / 255 - 0.5) / 0.5",
                    "文件中的图像，按 (像素 / 255 - 0.5) / 0.5 变换",
                ),
                (
                    f"values from {float(x.min()):.4g} to {float(x.max()):.4g}; no image of the file",
                    f"取值从 {float(x.min()):.4g} 到 {float(x.max()):.4g}，与文件中任何图像都对不上",
                ),
                ("ToTensor, then Normalize((0.5,), (0.5,))", "先 ToTensor，再 Normalize((0.5,), (0.5,))"),
            )
        for image, label in zip(whole[:, 0], y, strict=True):
            number = known[image.numpy().tobytes()]
            came.append(number)
            claims.that(
                int(label) == int(labels[number]),
                (
                    f"image {number} of the file comes with its label {labels[number]}",
                    f"文件中第 {number} 张图像的标签是 {labels[number]}",
                ),
                f"{int(label)}",
            )
    return came


def _order(loader, half):
    return _numbers(_epoch(loader), half)


def test_batches(submission, draw, tmp_path):
    """Shape, dtype and sizes of the batches."""
    halves = _files(draw, tmp_path)
    for train in [True, False]:
        size = len(halves[train][1])
        for batch_size in [4, 1, size, size + 3, 7]:
            case = f"train={train}, batch_size={batch_size}"
            loader = submission.make_loader(str(tmp_path), train, batch_size, 5)
            for epoch in range(2):
                batches = _epoch(loader)
                expected = [batch_size] * (size // batch_size) + [size % batch_size] * (size % batch_size > 0)
                for x, y in batches:
                    n = len(x) if claims.tensor(x, "images").dim() else 0
                    claims.tensor(x, "images", shape=(n, 1, 28, 28), dtype=torch.float32)
                    claims.tensor(y, "labels", shape=(n,), dtype=torch.int64)
                came = [len(y) for _, y in batches]
                claims.that(
                    came == expected,
                    (
                        f"{case}, {size} samples, epoch {epoch}: batches of {expected}",
                        f"{case}，{size} 个样本，第 {epoch} 个 epoch：batch 大小为 {expected}",
                    ),
                    f"{came}",
                )


def test_values(submission, draw, tmp_path):
    """Normalised images, each with its label."""
    halves = _files(draw, tmp_path)
    for train in [True, False]:
        batches = _epoch(submission.make_loader(tmp_path, train, 5, 1))
        numbers = _numbers(batches, halves[train])
        came = torch.cat([x for x, _ in batches])
        expected = (halves[train][0][numbers].unsqueeze(1).double() / 255 - 0.5) / 0.5
        claims.close(came, expected.float(), "images")


def test_every_sample_once(submission, draw, tmp_path):
    """Every sample once an epoch."""
    halves = _files(draw, tmp_path)
    for train in [True, False]:
        size = len(halves[train][1])
        loader = submission.make_loader(tmp_path, train, 4, draw.integer(0, 999))
        for _ in range(3):
            order = _order(loader, halves[train])
            missing = sorted(set(range(size)) - set(order))
            claims.that(
                sorted(order) == list(range(size)),
                (f"each of {size} samples once", f"{size} 个样本各出现一次"),
                (f"{missing[:5]} missing, others twice", f"缺少 {missing[:5]}，另有重复"),
            )


def test_evaluation_order(submission, draw, tmp_path):
    """Test data in the order of the file."""
    halves = _files(draw, tmp_path)
    loader = submission.make_loader(tmp_path, False, 3, 2)
    for _ in range(2):
        order = _order(loader, halves[False])
        claims.that(
            order == sorted(order),
            ("test data in the order of the file", "测试数据按文件顺序"),
            (f"samples {order[:6]} …", f"样本 {order[:6]} …"),
        )


def test_training_order(submission, draw, tmp_path):
    """Training order: another in every epoch, decided by the seed."""
    half = _files(draw, tmp_path)[True]
    seed = draw.integer(1, 10_000)
    first, twin = (submission.make_loader(tmp_path, True, 4, seed) for _ in range(2))
    orders = []
    for epoch in range(3):
        torch.manual_seed(draw.integer(0, 999))
        orders.append(_order(first, half))
        torch.rand(epoch + 1)
        claims.that(
            _order(twin, half) == orders[epoch],
            (
                f"two loaders with seed {seed} give the same order in epoch {epoch}",
                f"种子同为 {seed} 的两个 loader 在第 {epoch} 个 epoch 顺序相同",
            ),
            ("different orders", "顺序不同"),
            GENERATOR,
        )
    _claim_shuffled(orders)
    for step in (1, 2, 256, 1000, 65536):
        other = submission.make_loader(tmp_path, True, 4, seed + step)
        claims.that(
            _order(other, half) != orders[0],
            (
                f"the seeds {seed} and {seed + step} give different orders",
                f"种子 {seed} 与 {seed + step} 的顺序不同",
            ),
            ("the same order", "顺序相同"),
            ("the seed itself, all of it", "要用种子本身，不能只用它的一部分"),
        )


def _claim_shuffled(orders):
    """Claim three orders that are no file's order and differ, also in what the batches hold."""
    claims.that(
        orders[0] != sorted(orders[0]),
        ("training data is shuffled", "训练数据被打乱"),
        ("the order of the file", "与文件顺序相同"),
    )
    claims.that(
        len({tuple(order) for order in orders}) == 3,
        ("another order in every epoch", "每个 epoch 的顺序都不同"),
        ("the same order twice", "有两个 epoch 顺序相同"),
        GENERATOR,
    )
    made_up = [{frozenset(order[i : i + 4]) for i in range(0, len(order), 4)} for order in orders]
    claims.that(
        made_up[0] != made_up[1],
        ("batches that are made up anew in every epoch", "每个 epoch 重新组成 batch"),
        ("the same batches in another order", "batch 的内容没变，只是换了先后"),
    )


def test_whole_set(submission, draw, tmp_path):
    """Samples move through the whole set."""
    half = _files(draw, tmp_path, ((12, 16), (2, 3)))[True]
    size, epochs = len(half[1]), 26
    loader = submission.make_loader(tmp_path, True, 2, draw.integer(1, 10_000))
    orders = [_order(loader, half) for _ in range(epochs)]
    for number, place, early in [
        (size - 1, ("last", "最后一个"), True),
        (0, ("first", "第一个"), False),
    ]:
        part = ("first half", "前半") if early else ("second half", "后半")
        found = [order.index(number) for order in orders]
        claims.that(
            any((position < size // 2) is early for position in found),
            (
                f"in {epochs} epochs of {size} samples, the {place[0]} sample of the file comes "
                f"at least once in the {part[0]} of an epoch",
                f"{size} 个样本遍历 {epochs} 个 epoch，文件中{place[1]}样本"
                f"至少有一次出现在 epoch 的{part[1]}",
            ),
            (
                f"never: its positions were {min(found)} to {max(found)}",
                f"一次也没有：它的位置在 {min(found)} 到 {max(found)} 之间",
            ),
            (
                "shuffle over the whole set, not within a window of neighbours",
                "要在整个训练集上打乱，不能只在相邻样本的窗口内打乱",
            ),
        )


def test_global_rng(submission, draw, tmp_path):
    """The global generator stays as it was."""
    _files(draw, tmp_path)
    for train in [True, False]:
        torch.manual_seed(draw.integer(1, 999))
        before = torch.get_rng_state()
        loader = submission.make_loader(tmp_path, train, 4, draw.integer(1000, 1999))
        for when in [
            ("building the loader", "创建 loader"),
            ("one epoch", "一个 epoch"),
            ("two epochs", "两个 epoch"),
        ]:
            claims.that(
                bool(torch.equal(torch.get_rng_state(), before)),
                (
                    f"train={train}: {when[0]} leaves torch's global generator as it was",
                    f"train={train}：{when[1]}之后，torch 的全局生成器状态不变",
                ),
                ("another state", "状态变了"),
                GENERATOR,
            )
            _epoch(loader)


def test_missing_files(submission, draw, tmp_path):
    """Missing files raise and nothing is downloaded."""
    asked = []

    def refuse(host, *rest, **more):
        asked.append(host)
        raise OSError("no network here")

    kept, socket.getaddrinfo = socket.getaddrinfo, refuse
    try:
        for train in [True, False]:
            claims.raises(
                Exception,
                lambda train=train: submission.make_loader(tmp_path, train, 4, 1),
                ("make_loader without the files", "文件缺失时 make_loader"),
            )
    finally:
        socket.getaddrinfo = kept
    claims.that(
        not asked,
        ("nothing is downloaded", "不下载任何东西"),
        (f"it tried to reach {asked[:1]}", f"试图连接 {asked[:1]}"),
        "download=False",
    )
