"""Checks of exercise 27: gradient accumulation and activation checkpointing."""

import gc

import torch
from torch import nn
from torch.nn import functional as F

from ptquiz.worker import claims

_calls = []  # (block, samples) of every forward


class _Block(nn.Module):
    """A residual block whose inside is much wider than its input; notes its forwards."""

    def __init__(self, number, width, inside, dropout=0.0, dtype=torch.float64):
        super().__init__()
        self.number, self.rate, self.seen = number, dropout, None
        self.up = nn.Linear(width, inside, dtype=dtype)
        self.down = nn.Linear(inside, width, dtype=dtype)

    def forward(self, h):
        _calls.append((self.number, len(h)))
        if self.seen is not None:
            self.seen.append(h.detach().cpu())
        inside = F.dropout(torch.tanh(self.up(h)), self.rate, self.training)
        return h + self.down(inside)


def _blocks(draw, count=3, width=4, inside=9, dropout=0.0, dtype=torch.float64):
    blocks = [_Block(number, width, inside, dropout, dtype) for number in range(count)]
    with torch.no_grad():
        for block in blocks:
            for parameter in block.parameters():
                parameter.copy_(draw.randn(*parameter.shape, dtype=dtype) * 0.3)
    return [block.to("cuda") for block in blocks]


def _data(draw, count, width=4, classes=True):
    x = draw.randn(count, width, dtype=torch.float64).to("cuda")
    if classes:
        return x, draw.integers(0, width, (count,)).to("cuda"), F.cross_entropy
    return x, draw.randn(count, width, dtype=torch.float64).to("cuda"), F.mse_loss


def _parameters(blocks):
    return [(f"blocks[{block.number}].{name}", p) for block in blocks for name, p in block.named_parameters()]


def _take_gradients(blocks):
    """The gradients so far, which are removed."""
    taken = {}
    for name, parameter in _parameters(blocks):
        taken[name], parameter.grad = parameter.grad, None
    return taken


def _plain(blocks, x, y, loss_fn, pieces=1):
    """The step without any saving: the loss and the gradients."""
    total = torch.zeros((), dtype=x.dtype, device=x.device)
    for part, target in zip(x.tensor_split(pieces), y.tensor_split(pieces), strict=True):
        h = part
        for block in blocks:
            h = block(h)
        loss = loss_fn(h, target) * (len(part) / len(x))
        loss.backward()
        total += loss.detach()
    return total, _take_gradients(blocks)


def _same_gradients(came, expected, case, look=""):
    for name, want in expected.items():
        what = (f"{case[0]}: gradient of {name}", f"{case[1]}：{name} 的梯度")
        if want is None:
            claims.same(came[name], None, what, look)
        else:
            claims.close(claims.tensor(came[name], what, look=look), want, what, rtol=1e-9, look=look)


def _compare(submission, blocks, x, y, loss_fn, pieces, look=""):
    case = (f"{len(x)} samples, micro_batches={pieces}", f"{len(x)} 个样本，micro_batches={pieces}")
    expected, gradients = _plain(blocks, x, y, loss_fn)
    came = submission.low_memory_step(blocks, x, y, loss_fn, pieces)
    what = (f"{case[0]}: the loss", f"{case[1]}：损失")
    claims.close(claims.tensor(came, what, shape=(), device=x.device), expected, what, rtol=1e-9, look=look)
    _same_gradients(_take_gradients(blocks), gradients, case, look)


def test_loss(submission, draw, gpu):
    """The result is the mean loss of the whole batch."""
    for count, pieces in ((6, 1), (6, 2), (1, 1), (8, 4)):
        blocks = _blocks(draw)
        x, y, loss_fn = _data(draw, count)
        expected, _ = _plain(blocks, x, y, loss_fn)
        came = submission.low_memory_step(blocks, x, y, loss_fn, pieces)
        what = (
            f"{count} samples, micro_batches={pieces}: the loss",
            f"{count} 个样本，micro_batches={pieces}：损失",
        )
        claims.tensor(came, what, shape=(), device=x.device)
        claims.no_graph(came, what)
        claims.that(
            not came.requires_grad,
            (f"{what[0]} needs no gradient", f"{what[1]}不需要梯度"),
            claims.summary(came),
        )
        claims.close(came, expected, what, rtol=1e-9)


def test_gradients(submission, draw, gpu):
    """The gradients are those of the plain step."""
    for pieces in (1, 2, 3):
        for count in (1, 3):
            _compare(submission, _blocks(draw, count), *_data(draw, 6, classes=bool(count % 3)), pieces)
    listed = nn.ModuleList(_blocks(draw, 2))
    _compare(submission, listed, *_data(draw, 4), 2)


def test_uneven_pieces(submission, draw, gpu):
    """Uneven pieces are weighted rightly."""
    look = ("a piece counts by its samples: len(piece) / len(x)", "每一份按样本数计：len(piece) / len(x)")
    for count, pieces in ((7, 2), (5, 3), (7, 4), (5, 5), (3, 2)):
        _compare(submission, _blocks(draw, 2), *_data(draw, count), pieces, look)


def test_gradients_are_added(submission, draw, gpu):
    """Gradients are added to what is there."""
    blocks = _blocks(draw, 2)
    x, y, loss_fn = _data(draw, 5)
    _, gradients = _plain(blocks, x, y, loss_fn)
    before = {}
    for name, parameter in _parameters(blocks):
        before[name] = draw.randn(*parameter.shape, dtype=torch.float64).to("cuda")
        parameter.grad = before[name].clone()
    submission.low_memory_step(blocks, x, y, loss_fn, 2)
    expected = {name: before[name] + gradient for name, gradient in gradients.items()}
    case = ("with gradients already there", "已有梯度时")
    _same_gradients(
        _take_gradients(blocks), expected, case, ("add to .grad, clear nothing", "累加到 .grad，不要清零")
    )


def test_left_alone(submission, draw, gpu):
    """Modes, frozen parameters and x stay as they are."""
    blocks = _blocks(draw, 3, dropout=0.5)
    blocks[0].eval(), blocks[1].eval(), blocks[2].train()
    blocks[2].rate = 0.0
    blocks[1].up.weight.requires_grad_(False)
    x, y, loss_fn = _data(draw, 6)
    copy = x.clone()
    _compare(submission, blocks, x, y, loss_fn, 2)
    _modes(blocks, [False, False, True])
    claims.that(
        not blocks[1].up.weight.requires_grad,
        ("a frozen parameter stays frozen", "冻结的参数仍是冻结的"),
        "requires_grad == True",
    )
    claims.same(x, copy, ("x afterwards", "之后的 x"))
    claims.that(
        not x.requires_grad and x.grad is None,
        ("x needs no gradient and has none", "x 不需要梯度，也没有梯度"),
        f"x.requires_grad == {x.requires_grad}, x.grad: {claims.summary(x.grad)}",
    )
    for block in blocks[:2]:
        block.requires_grad_(False)
    _compare(submission, blocks, x, y, loss_fn, 3)
    for frozen in ([1], [1, 2]):
        _frozen(submission, draw, frozen)


def _modes(blocks, expected):
    for block, training in zip(blocks, expected, strict=True):
        claims.that(
            block.training is training,
            (
                f"blocks[{block.number}].training is still {training}",
                f"blocks[{block.number}].training 仍是 {training}",
            ),
            f"{block.training}",
        )


def _frozen(submission, draw, frozen):
    """Blocks that have nothing to learn, in train mode: the gradient passes through them."""
    blocks = _blocks(draw, 3)
    for number in frozen:
        blocks[number].requires_grad_(False)
    names = ", ".join(f"blocks[{number}]" for number in frozen)
    look = (
        f"all parameters of {names} are frozen; blocks before them still need their gradients",
        f"{names} 的参数全部冻结，但它前面的 block 仍需要梯度",
    )
    _compare(submission, blocks, *_data(draw, 4), 2, look)
    _modes(blocks, [True] * 3)
    for block in blocks:
        claims.that(
            all(p.requires_grad is (block.number not in frozen) for p in block.parameters()),
            (
                f"requires_grad in blocks[{block.number}] is as before",
                f"blocks[{block.number}] 里的 requires_grad 不变",
            ),
            ("it has changed", "变了"),
        )


def _forwards(submission, draw, count, pieces):
    """The forwards of three blocks, as {block: [samples]}; x, and what blocks[0] saw of it."""
    blocks = _blocks(draw, 3)
    x, y, loss_fn = _data(draw, count)
    blocks[0].seen = []
    del _calls[:]
    submission.low_memory_step(blocks, x, y, loss_fn, pieces)
    sizes = {block.number: [n for number, n in _calls if number == block.number] for block in blocks}
    return sizes, x.cpu(), blocks[0].seen


def _rows(x, seen):
    """The different inputs in their order, each as the numbers of its rows of x (-1: no row of x)."""
    known, pieces = x.tolist(), []
    for h in seen:
        rows = [known.index(row) if row in known else -1 for row in h.tolist()]
        if rows not in pieces:
            pieces.append(rows)
    return pieces


def test_pieces(submission, draw, gpu):
    """The batch is split as asked."""
    for count, pieces in ((6, 1), (6, 3), (7, 3), (5, 5)):
        expected = [part.tolist() for part in torch.arange(count).tensor_split(pieces)]
        sizes, x, seen = _forwards(submission, draw, count, pieces)
        case = (f"{count} samples, micro_batches={pieces}", f"{count} 个样本，micro_batches={pieces}")
        came = _rows(x, seen)
        claims.that(
            came == expected,
            (
                f"{case[0]}: blocks[0] sees the rows {expected} of x, piece after piece",
                f"{case[1]}：blocks[0] 依次收到 x 的这些行：{expected}",
            ),
            f"{came}",
            "torch.tensor_split",
        )
        lengths = sorted({len(part) for part in expected})
        for number, lens in sizes.items():
            claims.that(
                sorted(set(lens)) == lengths,
                (
                    f"{case[0]}: blocks[{number}] sees pieces of {' or '.join(map(str, lengths))} samples",
                    f"{case[1]}：blocks[{number}] 每次收到 {' 或 '.join(map(str, lengths))} 个样本",
                ),
                f"{lens}",
                "torch.tensor_split",
            )


def test_forwards(submission, draw, gpu):
    """Each block runs twice for each piece."""
    for pieces in (1, 3):
        for number, sizes in _forwards(submission, draw, 6, pieces)[0].items():
            allowed = (pieces, 2 * pieces) if number == 2 else (2 * pieces,)
            times = " / ".join(map(str, allowed))
            claims.that(
                len(sizes) in allowed,
                (
                    f"micro_batches={pieces}: forwards of blocks[{number}]: {times}",
                    f"micro_batches={pieces}：blocks[{number}] 的 forward 次数：{times}",
                ),
                f"{len(sizes)}",
                ("once in the forward pass, once more in backward", "前向一次，反向时再一次"),
            )


def test_dropout(submission, draw, gpu):
    """The recomputation has the same dropout masks."""
    for pieces in (1, 2, 3):
        blocks = _blocks(draw, 3, dropout=0.5)
        x, y, loss_fn = _data(draw, 7)
        seed = draw.integer(0, 10**6)
        torch.manual_seed(seed)
        expected, gradients = _plain(blocks, x, y, loss_fn, pieces)
        torch.manual_seed(seed)
        came = submission.low_memory_step(blocks, x, y, loss_fn, pieces)
        case = (f"dropout, micro_batches={pieces}", f"带 dropout，micro_batches={pieces}")
        what = (f"{case[0]}: the loss", f"{case[1]}：损失")
        claims.close(claims.tensor(came, what, shape=()), expected, what, rtol=1e-9)
        look = (
            "the recomputation must start from the random state of the first forward",
            "重算必须从第一次前向时的随机数状态开始",
        )
        _same_gradients(_take_gradients(blocks), gradients, case, look)


def _peak(step):
    """By how much the peak of allocated memory rises over what was there."""
    gc.collect()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return torch.cuda.max_memory_allocated() - before


def _wide(draw, count, inside):
    """Blocks whose activations outweigh all else; gradients are there already."""
    blocks = _blocks(draw, count, width=8, inside=inside)
    x, y, loss_fn = _data(draw, 600, width=8)
    for _, parameter in _parameters(blocks):
        parameter.grad = torch.zeros_like(parameter)
    return blocks, x, y, loss_fn


def _ordinary(blocks, x, y, loss_fn):
    h = x
    for block in blocks:
        h = block(h)
    loss_fn(h, y).backward()


def test_peak(submission, draw, gpu):
    """The peak is clearly below the plain step's."""
    blocks, x, y, loss_fn = _wide(draw, count=4, inside=128)
    _ordinary(blocks, x, y, loss_fn)
    plain = _peak(lambda: _ordinary(blocks, x, y, loss_fn))
    came = _peak(lambda: submission.low_memory_step(blocks, x, y, loss_fn, 1))
    claims.that(
        came <= 0.6 * plain,
        (
            f"4 blocks, micro_batches=1: a peak of at most 60 % of the plain step's {plain} bytes",
            f"4 个 block，micro_batches=1：峰值不超过普通做法 {plain} 字节的 60%",
        ),
        f"{came} ({100 * came / plain:.0f} %)",
        (
            "checkpoint each block by itself, so that only one is recomputed at a time",
            "逐个 block 做检查点，这样每次只重算一个",
        ),
    )


def test_pieces_lower_the_peak(submission, draw, gpu):
    """More pieces lower the peak further."""
    blocks, x, y, loss_fn = _wide(draw, count=16, inside=32)
    submission.low_memory_step(blocks, x, y, loss_fn, 1)
    peaks = {n: _peak(lambda n=n: submission.low_memory_step(blocks, x, y, loss_fn, n)) for n in (1, 6)}
    claims.that(
        peaks[6] <= 0.45 * peaks[1],
        (
            f"micro_batches=6: a peak below 45 % of the {peaks[1]} bytes of micro_batches=1",
            f"micro_batches=6：峰值低于 micro_batches=1 时 {peaks[1]} 字节的 45%",
        ),
        f"{peaks[6]} ({100 * peaks[6] / peaks[1]:.0f} %)",
        ("run backward for a piece before the next one begins", "一份做完反向再开始下一份"),
    )
