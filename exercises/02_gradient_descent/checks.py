"""Hidden checks of exercise 2."""

import copy

import torch
from torch import nn

from ptquiz.worker import claims

LEFT_OUT = (
    "it kept its value: model.parameters() gives all parameters, the module's own and those at any depth",
    "它的值没变：model.parameters() 给出全部参数，包括模块自己的和任意深处子模块的",
)


class _Loader:
    """Gives its batches anew at each pass; no length, no dataset. Counts the passes."""

    def __init__(self, *passes):
        self.passes = passes
        self.started = 0

    def __iter__(self):
        batches = self.passes[min(self.started, len(self.passes) - 1)]
        self.started += 1
        yield from batches


class _Watched(nn.Module):
    """Two layers; notes the modes at each forward pass."""

    def __init__(self, features, classes):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(features, 6), nn.Tanh())
        self.outer = nn.Linear(6, classes)
        self.seen = []

    def forward(self, x):
        self.seen.append((self.training, self.inner[1].training))
        return self.outer(self.inner(x))


class _Net(nn.Sequential):
    """Two layers, and a parameter that belongs to the module itself."""

    def __init__(self, features, classes):
        super().__init__(nn.Linear(features, 5), nn.Tanh(), nn.Linear(5, classes))
        self.shift = nn.Parameter(torch.zeros(features))

    def forward(self, x):
        return super().forward(x + self.shift)


def _model(draw, features, classes):
    model = _Net(features, classes).double()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(draw.randn(*p.shape))
    return model


def _batches(draw, features, classes, sizes):
    return [(draw.randn(n, features), draw.integers(0, classes, (n,))) for n in sizes]


def _cross_entropy(logits, targets):
    rows = torch.arange(len(targets))
    return (logits.logsumexp(1) - logits[rows, targets]).mean()


def _by_hand(model, passes, lr):
    """Trains `model` itself by the formula; the mean loss per sample of each pass."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    losses = []
    for batches in passes:
        total = 0.0
        for inputs, targets in batches:
            loss = _cross_entropy(model(inputs), targets)
            grads = torch.autograd.grad(loss, parameters, allow_unused=True)
            with torch.no_grad():
                for p, g in zip(parameters, grads, strict=True):
                    if g is not None:
                        p -= lr * g
            total += float(loss.detach()) * len(targets)
        losses.append(total / sum(len(t) for _, t in batches))
    return losses


def _compare(came, before, expected, look):
    """Compare the parameters of three models: trained by the learner, untrained, trained by hand."""
    pairs = zip(came.parameters(), before.parameters(), strict=True)
    if all(bool((p == b).all()) for p, b in pairs):
        claims.fail(
            ("the parameters of the model change", "模型参数发生变化"),
            ("they all keep their values", "所有参数都没变"),
            (
                "change the parameters themselves (p -= …), after backward, before gradients are cleared",
                "要原地修改参数本身（p -= …），而且在 backward 之后、清零梯度之前",
            ),
        )
    kept = {name: p.detach() for name, p in before.named_parameters()}
    for (name, p), (_, e) in zip(came.named_parameters(), expected.named_parameters(), strict=True):
        stayed = bool((p == kept[name]).all()) and not bool((e == kept[name]).all())
        claims.close(
            p.detach(),
            e.detach(),
            (f"after training, parameter {name}", f"训练后的参数 {name}"),
            look=LEFT_OUT if stayed else look,
        )


def _sizes(draw):
    """Full batches and a smaller last one."""
    full = draw.integer(4, 6)
    return [full] * draw.integer(2, 3) + [draw.integer(1, full - 2)]


def test_returns(submission, draw):
    """One float for each epoch."""
    for epochs in [2, 1, 0, 3]:
        model = _model(draw, 3, 4)
        before = copy.deepcopy(model)
        loader = _Loader(_batches(draw, 3, 4, _sizes(draw)))
        what = f"train(model, loader, {epochs}, 0.1)"
        losses = claims.instance(submission.train(model, loader, epochs, 0.1), list, what)
        claims.that(
            len(losses) == epochs,
            (f"{what} returns {epochs} numbers", f"{what} 返回 {epochs} 个数"),
            (f"{len(losses)}", f"{len(losses)} 个"),
        )
        for i, loss in enumerate(losses):
            claims.instance(
                loss,
                float,
                f"{what}[{i}]",
                (
                    ".item() takes the number out of the tensor and its graph",
                    ".item() 把数值从张量和计算图里取出来",
                ),
            )
        if epochs == 0:
            for p, b in zip(model.parameters(), before.parameters(), strict=True):
                claims.same(
                    p.detach(), b.detach(), ("after 0 epochs, a parameter", "训练 0 个 epoch 后的参数")
                )


def test_parameters(submission, draw):
    """The parameters follow gradient descent step by step."""
    one, more = ("one step", "一步"), ("several steps", "多步")
    for _ in range(3):
        features, classes = draw.integer(1, 5), draw.integer(2, 5)
        lr = draw.rng.uniform(0.2, 0.6)
        for name, sizes, epochs in [
            (one, [5], 1),
            (more, [4, 4, 4], 1),
            (more, _sizes(draw), 3),
        ]:
            model = _model(draw, features, classes)
            before, twin = copy.deepcopy(model), copy.deepcopy(model)
            batches = _batches(draw, features, classes, sizes)
            _by_hand(twin, [batches] * epochs, lr)
            submission.train(model, _Loader(batches), epochs, lr)
            _compare(
                model,
                before,
                twin,
                (
                    f"{name[0]}: p - lr * gradient of the mean loss of this batch alone",
                    f"{name[1]}：p - lr × 梯度，梯度只来自当前 batch 的平均损失",
                ),
            )


def test_stale_gradients(submission, draw):
    """Old gradients have no influence."""
    model = _model(draw, 3, 3)
    before, twin = copy.deepcopy(model), copy.deepcopy(model)
    for p in model.parameters():
        p.grad = draw.randn(*p.shape)
    batches = _batches(draw, 3, 3, [4, 3])
    _by_hand(twin, [batches], 0.3)
    submission.train(model, _Loader(batches), 1, 0.3)
    look = (
        "gradients that the caller left on the parameters: when are they cleared?",
        "调用者在参数上留下了梯度：它们是什么时候被清零的？",
    )
    _compare(model, before, twin, look)


def test_losses(submission, draw):
    """The mean loss per sample."""
    for sizes in [[4, 4], [5, 1], _sizes(draw), [1, 7, 2]]:
        model = _model(draw, 4, 3)
        twin = copy.deepcopy(model)
        batches = _batches(draw, 4, 3, sizes)
        expected = _by_hand(twin, [batches] * 2, 0.4)
        came = submission.train(model, _Loader(batches), 2, 0.4)
        for i in range(2):
            claims.close(
                came[i],
                expected[i],
                (
                    f"with batches of sizes {sizes}, the loss of epoch {i}",
                    f"batch 大小为 {sizes} 时，第 {i} 个 epoch 的损失",
                ),
                look=(
                    "the sum over all samples of this epoch, before each step, divided by their number",
                    "本 epoch 所有样本在各步更新之前的损失之和，除以样本数",
                ),
            )


def test_passes(submission, draw):
    """A fresh pass each epoch, one forward a batch."""
    model = _Watched(3, 3).double()
    twin = copy.deepcopy(model)
    passes = [_batches(draw, 3, 3, [4, 2]) for _ in range(3)]
    _by_hand(twin, passes, 0.2)
    loader = _Loader(*passes)
    before = copy.deepcopy(model)
    model.train()
    submission.train(model, loader, 3, 0.2)
    claims.that(
        loader.started == 3,
        ("the loader is iterated over once in each of 3 epochs", "3 个 epoch 中 loader 每个恰好遍历一遍"),
        (f"{loader.started} passes in all", f"一共遍历了 {loader.started} 遍"),
        (
            "a loader that shuffles gives another order at each pass",
            "会打乱顺序的 loader 每遍给出的顺序都不同",
        ),
    )
    claims.that(
        len(model.seen) == 6,
        ("one forward pass for each of 6 batches", "6 个 batch 各前向一次"),
        (f"{len(model.seen)} forward passes", f"前向了 {len(model.seen)} 次"),
    )
    _compare(
        model,
        before,
        twin,
        ("each epoch uses the batches of its own pass", "每个 epoch 要用当次遍历得到的 batch"),
    )


def test_mode(submission, draw):
    """Train mode while training, then the mode from before."""
    for training, epochs in [(False, 2), (True, 2), (False, 0), (True, 0)]:
        model = _Watched(4, 2).double().train(training)
        word = "train" if training else "eval"
        submission.train(model, _Loader(_batches(draw, 4, 2, [3, 2])), epochs, 0.1)
        claims.that(
            all(outer and inner for outer, inner in model.seen),
            ("every module is in train mode in each forward pass", "每次前向时所有模块都处于 train 模式"),
            ("a module in eval mode", "有模块处于 eval 模式"),
            ("model.train() reaches the submodules too", "model.train() 会一并作用于子模块"),
        )
        claims.that(
            all(module.training is training for module in model.modules()),
            (
                f"a model handed over in {word} mode is in {word} mode afterwards, with epochs={epochs}",
                f"epochs={epochs}：交进来时是 {word} 模式，结束后仍是 {word} 模式",
            ),
            ("another mode", "模式变了"),
        )


def test_frozen_and_unused(submission, draw):
    """Frozen and unused parameters keep their values."""
    model = _model(draw, 3, 3)
    model[0].weight.requires_grad_(False)
    model.register_parameter("unused", nn.Parameter(draw.randn(2)))
    before, twin = copy.deepcopy(model), copy.deepcopy(model)
    for p in (model[0].weight, model.unused):
        p.grad = draw.randn(*p.shape)
    batches = _batches(draw, 3, 3, [4, 4, 1])
    _by_hand(twin, [batches] * 2, 0.3)
    submission.train(model, _Loader(batches), 2, 0.3)
    claims.that(
        model[0].weight.requires_grad is False,
        ("a frozen parameter stays frozen", "冻结的参数仍然冻结"),
        ("requires_grad is True now", "requires_grad 变成了 True"),
    )
    look = (
        "it gets no gradient, and one that the caller left on it must not move it",
        "它得不到梯度；调用者遗留在它上面的梯度也不能让它移动",
    )
    for p, b, what in [
        (model[0].weight, before[0].weight, ("the frozen parameter 0.weight", "冻结的参数 0.weight")),
        (
            model.unused,
            before.unused,
            ("the parameter unused, which has no part in the loss,", "没有参与损失计算的参数 unused"),
        ),
    ]:
        claims.same(p.detach(), b.detach(), (f"after training, {what[0]}", f"训练之后，{what[1]}"), look)
    look = ("frozen and unused parameters have no gradient", "冻结和未使用的参数没有梯度")
    _compare(model, before, twin, look)


class _Images(nn.Module):
    """Flattens by itself, as models of images do; integers are looked up in a table."""

    def __init__(self, integer):
        super().__init__()
        self.integer = integer
        self.table = nn.Embedding(7, 3)
        self.out = nn.Linear(12, 3)
        self.seen = []

    def forward(self, x):
        self.seen.append(f"{tuple(x.shape)}, {x.dtype}")
        known = x.dim() == (2 if self.integer else 4) and x.is_floating_point() is not self.integer
        return self.out(
            self.table(x).flatten(1) if known and self.integer else x.double().reshape(len(x), 12)
        )


def test_inputs(submission, draw):
    """Inputs reach the model as they are."""
    for integer in [False, True]:
        model = _Images(integer).double()
        inputs = draw.integers(0, 7, (5, 4)) if integer else draw.randn(5, 1, 3, 4, dtype=torch.float32)
        kept = inputs.clone()
        submission.train(model, _Loader([(inputs, draw.integers(0, 3, (5,)))]), 1, 0.1)
        claims.same(
            model.seen[0],
            f"{tuple(kept.shape)}, {kept.dtype}",
            ("shape and dtype of the inputs that the model receives", "模型收到的输入的形状和 dtype"),
            ("what an input must look like is the model's own affair", "输入要变成什么样子，是模型自己的事"),
        )
        claims.same(inputs, kept, ("the batch after training", "训练之后的这个 batch"))
