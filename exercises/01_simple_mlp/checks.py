"""Hidden checks of exercise 1."""

import torch

from ptquiz.worker import claims

REGISTER = (
    "a layer is registered when it is assigned to an attribute of self in __init__ (a Python list hides it)",
    "在 __init__ 中把层赋给 self 的属性才会被登记（放进普通 Python 列表就看不见了）",
)


def _build(submission, dims):
    what = f"SimpleMLP{dims}"
    model = claims.instance(submission.SimpleMLP(*dims), torch.nn.Module, what)
    parameters = list(model.parameters())
    shapes = _shapes(dims)
    uninitialized = torch.nn.parameter.UninitializedParameter
    if any(type(p) is uninitialized for p in parameters):
        claims.fail(
            (
                "four parameters with shapes right after the model is built",
                "模型建好时四个参数就有确定的形状",
            ),
            ("parameters that wait for the first forward", "参数要等第一次 forward 才创建"),
            ("use input_dim instead of a lazy layer", "不要用 Lazy 层，用 input_dim 直接建层"),
        )
    came = sorted(tuple(p.shape) for p in parameters)
    claims.that(
        came == sorted(shapes),
        (
            f"{what} has exactly the parameters {sorted(shapes)}",
            f"{what} 恰好有这些形状的参数：{sorted(shapes)}",
        ),
        (f"{came}", f"{came}") if came else ("no parameters at all", "一个参数也没有"),
        _hint(came, shapes),
    )
    return model


def _hint(came, shapes):
    if not came:
        return REGISTER
    if came == sorted(s for s in shapes if len(s) == 2):
        return ("both layers have a bias", "两层都带偏置")
    if len(came) > 4:
        return ("two linear layers and nothing else with parameters", "只有两个线性层，别的层不能带参数")
    return ("nn.Linear(in_features, out_features)", "nn.Linear(输入维, 输出维)")


def _shapes(dims):
    i, h, o = dims
    return [(h, i), (h,), (o, h), (o,)]


def _fill(parameters, draw, scale=3.0):
    with torch.no_grad():
        for p in parameters:
            p.copy_(draw.randn(*p.shape) * scale)


def _filled(submission, draw, dims, scale=3.0):
    """A float64 model whose four parameters are drawn, and those parameters as [W1, b1, W2, b2]."""
    model = _build(submission, dims).double()
    by_shape = {tuple(p.shape): p for p in model.parameters()}
    ordered = [by_shape[s] for s in _shapes(dims)]
    _fill(ordered, draw, scale)
    return model, ordered


def _formula(x, w1, b1, w2, b2):
    hidden = x @ w1.transpose(0, 1) + b1
    return torch.where(hidden > 0, hidden, torch.zeros_like(hidden)) @ w2.transpose(0, 1) + b2


def _distinct(draw):
    """Three different sizes, so that every parameter is known by its shape."""
    return tuple(draw.rng.sample(range(2, 12), 3))


def _inputs(draw, i, scale=3.0):
    shapes = [(1, i), (draw.integer(2, 9), i), (3, draw.integer(2, 5), i), (1, 1, i)]
    return [draw.randn(*s) * scale for s in shapes]


def test_parameters(submission, draw):
    """Exactly two weights and two biases."""
    for dims in [_distinct(draw), _distinct(draw), (1, 5, 3), (4, 1, 1)]:
        frozen = [p for p in _build(submission, dims).parameters() if not p.requires_grad]
        claims.that(
            not frozen,
            ("every parameter is trainable", "每个参数都可训练"),
            (
                f"requires_grad is False for the one of shape {[tuple(p.shape) for p in frozen]}",
                f"形状为 {[tuple(p.shape) for p in frozen]} 的参数 requires_grad 为 False",
            ),
        )


def test_shapes(submission, draw):
    """Output shape for (B, in) and (B, T, in)."""
    for dims in [_distinct(draw), (1, 5, 3), (4, 3, 1), (2, 1, 2)]:
        model = _build(submission, dims).double()
        for x in _inputs(draw, dims[0]):
            at = tuple(x.shape)
            what = (f"for x of shape {at}, SimpleMLP{dims}(x)", f"x 形状为 {at} 时，SimpleMLP{dims}(x)")
            claims.tensor(model(x), what, shape=(*x.shape[:-1], dims[2]))


def test_modes(submission, draw):
    """The same output at every call, in both modes."""
    dims = (5, 64, 3)
    model, _ = _filled(submission, draw, dims)
    x = draw.randn(33, 5)
    expected = model.train()(x.clone())
    for mode in ["train", "eval"] * 3:
        claims.close(
            getattr(model, mode)()(x.clone()),
            expected,
            (f"as in the first call, model.{mode}()(x)", f"与第一次调用相比，model.{mode}()(x)"),
            rtol=1e-12,
            look=(
                "nothing random and nothing that depends on the mode (dropout, batch norm)",
                "不要有随机成分，也不要有依赖模式的层（dropout、batch norm）",
            ),
        )


def _guess(came, x, parameters):
    """What the output looks like, when it is a well-known mistake."""
    w1, b1, w2, b2 = parameters
    right = _formula(x, *parameters)
    hidden = x @ w1.transpose(0, 1) + b1
    known = [
        (hidden @ w2.transpose(0, 1) + b2, ("there is no ReLU between the layers", "两层之间没有 ReLU")),
        (right.clamp(min=0), ("a ReLU follows the second layer", "第二层之后多了一个 ReLU")),
        (right.softmax(-1), ("these are probabilities, not logits", "这是概率，不是 logits")),
        (right.log_softmax(-1), ("these are log-probabilities, not logits", "这是对数概率，不是 logits")),
        (right - b2, ("the second bias is not added", "没有加上第二个偏置")),
    ]
    if came.shape == right.shape and bool((came - right).abs().max() <= 3e-6 * right.abs().max()):
        return (
            "the numbers are right to float32 only: something casts",
            "只有 float32 的精度：有地方做了类型转换",
        )
    for values, words in known:
        if came.shape == values.shape and torch.allclose(came.double(), values, rtol=1e-4, atol=1e-4):
            return words
    return (
        "W2 · relu(W1 · x + b1) + b2 from the model's own parameters, in their dtype",
        "只用模型自己的参数、按参数的 dtype 计算 W2 · relu(W1 · x + b1) + b2",
    )


def test_values(submission, draw):
    """The output is linear · ReLU · linear."""
    for scale in (0.5, 3.0, 3.0):  # moderate values first: there every activation differs from ReLU
        dims = _distinct(draw)
        model, parameters = _filled(submission, draw, dims, scale)
        for x in _inputs(draw, dims[0], 2 * scale):
            at = tuple(x.shape)
            _compare(model, x, parameters, (f"for x of shape {at}, model(x)", f"x 形状为 {at} 时，model(x)"))
    _fill(parameters, draw)
    look = ("the output is computed anew at each call, not kept", "每次调用都要重新计算，不能缓存结果")
    again = ("after the parameters changed, model(x) of the same x", "参数改变之后，对同一个 x 的 model(x)")
    _compare(model, x, parameters, again, look)
    x.copy_(draw.randn(*x.shape))
    again = ("after the values in x changed, model(x)", "x 中的数值改变之后，model(x)")
    _compare(model, x, parameters, again, look)


def _compare(model, x, parameters, what, look=""):
    """Claim that model(x) is the formula's value and that x stays as it is."""
    kept = x.clone()
    shape = (*x.shape[:-1], len(parameters[3]))
    came = claims.tensor(model(x), "model(x)", shape=shape, dtype=torch.float64)
    claims.same(
        x,
        kept,
        ("the input x after the call", "调用之后的输入 x"),
        ("something works in place on x", "有原地操作改动了 x"),
    )
    with torch.no_grad():
        expected = _formula(x, *parameters)
        look = look or _guess(came, x, parameters)
    claims.close(came, expected, what, look=look)


def test_gradients(submission, draw):
    """Every parameter and the input get their gradient."""
    names = ["W1", "b1", "W2", "b2", "x"]
    for _ in range(2):
        dims = _distinct(draw)
        model, parameters = _filled(submission, draw, dims)
        for values in _inputs(draw, dims[0]):
            x = values.requires_grad_()
            weight = draw.randn(*values.shape[:-1], dims[2])
            copies = [p.detach().clone().requires_grad_() for p in parameters]
            twin = values.detach().clone().requires_grad_()
            expected = torch.autograd.grad((_formula(twin, *copies) * weight).sum(), [*copies, twin])
            out = model(x)
            claims.that(
                out.requires_grad,
                ("an output that is connected to the parameters", "输出与参数之间有计算图"),
                ("an output without a graph", "输出没有计算图"),
                "no_grad / detach",
            )
            came = torch.autograd.grad((out * weight).sum(), [*parameters, x], allow_unused=True)
            for name, c, e in zip(names, came, expected, strict=True):
                look = ("detach, .data, no_grad on the way", "计算途中的 detach、.data 或 no_grad")
                what = (f"the gradient of {name}", f"{name} 的梯度")
                if c is None:
                    claims.fail(what, ("none: the graph is cut", "没有梯度：计算图断开了"), look)
                claims.close(c, e, what, look=look)


def test_instances(submission, draw):
    """Two instances share nothing."""
    dims = _distinct(draw)
    first, _ = _filled(submission, draw, dims)
    x = draw.randn(7, dims[0])
    before = first(x.clone()).detach().clone()
    for other in [dims, tuple(d + 1 for d in dims)]:
        second, _ = _filled(submission, draw, other)
        second(draw.randn(3, other[0]))
        claims.close(
            first(x.clone()),
            before,
            (
                f"after a second model SimpleMLP{other} was built and changed, first(x)",
                f"另建并修改第二个模型 SimpleMLP{other} 之后，first(x)",
            ),
            look=(
                "layers belong on self, not on the class or the module",
                "层应放在 self 上，不要放在类或模块上",
            ),
        )


def test_random_start(submission, draw):
    """The first weight starts random."""
    dims = (4, 6, 3)
    first, second = (
        next(p for p in _build(submission, dims).parameters() if p.shape == (6, 4)).detach() for _ in range(2)
    )
    rows = torch.cat([first, second])
    equal = [(a, b) for a in range(12) for b in range(a) if bool((rows[a] == rows[b]).all())]
    claims.that(
        bool(rows.isfinite().all()) and not equal,
        (
            "random first weights: all hidden units of two models differ",
            "第一层权重随机：两个模型的所有隐藏单元各不相同",
        ),
        ("two units with the same weights", "有两个单元的权重相同")
        if equal
        else ("weights that are not finite", "权重中有非有限值"),
        ("units that start equal get equal gradients and stay equal", "起点相同的单元梯度也相同，永远分不开"),
    )
