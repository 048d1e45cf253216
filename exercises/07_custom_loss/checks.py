"""Checks of exercise 7: the mean squared error and its hand-written gradient."""

import torch

from ptquiz.worker import claims

SHAPES = [(1,), (3,), (5, 7), (2, 3, 4), (), (4, 1)]


def _pair(draw, shape, dtype=torch.float64, x_grad=False, target_grad=False):
    x = draw.randn(*shape, dtype=dtype, requires_grad=x_grad)
    return x, draw.randn(*shape, dtype=dtype, requires_grad=target_grad)


def _gradient(x, target, scale=1.0):
    """The gradient of scale * mean((x - target) ** 2) by x, from the formula."""
    return (x - target).detach() * (2.0 * scale / x.numel())


def _grad(output, inputs, what, **options):
    """torch.autograd.grad with a message for outputs that carry no graph."""
    claims.tensor(output, what, shape=())
    claims.that(
        output.requires_grad,
        (f"{what} is connected to its inputs", f"{what} 与输入相连"),
        ("a tensor that needs no gradient", "一个不需要梯度的张量"),
        ("Was something detached, or turned into a plain number?", "是否 detach 了，或变成了普通数值？"),
    )
    try:
        return torch.autograd.grad(output, inputs, allow_unused=True, **options)
    except RuntimeError as error:
        claims.fail(
            (
                f"backward of {what} runs and gives each input a gradient of its shape",
                f"{what} 的 backward 能运行，且每个输入的梯度与它形状相同",
            ),
            f"RuntimeError: {error}",
        )


def _nodes(output):
    """All nodes of the autograd graph behind `output`."""
    seen, todo = set(), [output.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo += [parent for parent, _ in node.next_functions]
    return seen


def _own_nodes(submission, output):
    """The nodes in the graph of `output` that belong to the learner's MeanSquaredError."""
    own = submission.MeanSquaredError
    return [node for node in _nodes(output) if getattr(type(node), "_forward_cls", None) is own]


def test_names(submission):
    """MeanSquaredError is an autograd Function and mse a function."""
    function = submission.MeanSquaredError
    claims.that(
        isinstance(function, type) and issubclass(function, torch.autograd.Function),
        ("a class MeanSquaredError(torch.autograd.Function)", "类 MeanSquaredError(torch.autograd.Function)"),
        claims.summary(function),
    )
    claims.that(callable(submission.mse), ("a function mse", "函数 mse"), claims.summary(submission.mse))


def test_value(submission, draw):
    """The value is the mean over all elements."""
    for dtype in (torch.float64, torch.float32):
        for shape in SHAPES:
            x, target = _pair(draw, shape, dtype)
            for name, call in (
                ("mse", submission.mse),
                ("MeanSquaredError.apply", submission.MeanSquaredError.apply),
            ):
                what = f"{name}(x, target), x: {tuple(shape)}, {str(dtype).removeprefix('torch.')}"
                _claim_value(call, x, target, what)
    x, target = draw.randn(6, 5, dtype=torch.float64).t()[::2], draw.randn(3, 6, dtype=torch.float64)
    _claim_value(submission.mse, x, target, ("mse of a non-contiguous x", "x 不连续时的 mse"))


def _claim_value(call, x, target, what):
    """Claim the mean squared error of x and target, and that both stay as they are."""
    before = x.clone(), target.clone()
    came = claims.tensor(call(x, target), what, shape=(), dtype=x.dtype)
    for name, now, kept in zip(("x", "target"), (x, target), before, strict=True):
        claims.same(now, kept, (f"{name} after the call", f"调用之后的 {name}"))
    expected = (before[0] - before[1]).square().mean()
    look = (
        "mean over every element, not over one dimension or a sum",
        "对所有元素求均值，不是只对某一维，也不是求和",
    )
    if bool((came - expected).abs() <= 3e-6 * expected):
        dtype = str(x.dtype).removeprefix("torch.")
        look = (
            f"right to float32 only: compute in the dtype of the inputs, {dtype}",
            f"只有 float32 的精度：要用输入的 dtype 计算，即 {dtype}",
        )
    claims.close(came, expected, what, look=look)


def test_uses_the_function(submission, draw):
    """mse goes through MeanSquaredError.apply."""
    x, target = _pair(draw, (3, 5), x_grad=True)
    came = claims.tensor(submission.mse(x, target), "mse(x, target)", shape=())
    claims.that(
        bool(_own_nodes(submission, came)),
        (
            "the graph of mse(x, target) contains MeanSquaredError",
            "mse(x, target) 的计算图中有 MeanSquaredError",
        ),
        f"grad_fn = {claims.summary(came.grad_fn)}",
        (
            "mse must compute with MeanSquaredError.apply(x, target)",
            "mse 要用 MeanSquaredError.apply(x, target) 求值",
        ),
    )


def test_shapes_must_agree(submission, draw):
    """Different shapes raise ValueError."""
    for a, b in (
        ((3,), (3, 1)),
        ((4, 3), (3,)),
        ((1,), ()),
        ((2, 3), (3, 2)),
        ((1, 5), (5, 1)),
        ((5,), (3,)),
    ):
        x, target = draw.randn(*a, dtype=torch.float64), draw.randn(*b, dtype=torch.float64)
        claims.raises(
            ValueError,
            lambda x=x, target=target: submission.mse(x, target),
            (f"mse with shapes {a} and {b}", f"形状为 {a} 与 {b} 时的 mse"),
            ("Compare the shapes yourself: torch would broadcast.", "要自己比较形状：torch 会自动广播。"),
        )


def test_gradient_of_x(submission, draw):
    """The gradient of x is right."""
    for shape in SHAPES:
        x, target = _pair(draw, shape, x_grad=True)
        what = (f"shape {shape}: gradient of x", f"形状 {shape}：x 的梯度")
        for call in (submission.mse, submission.MeanSquaredError.apply):
            (came,) = _grad(call(x, target), [x], "mse(x, target)")
            look = ("the derivative of a mean over N elements carries 1/N", "N 个元素的均值，求导后带有 1/N")
            claims.close(claims.tensor(came, what, shape=shape), _gradient(x, target), what, look=look)


def test_gradient_of_target(submission, draw):
    """The gradient of target is right."""
    for both in (False, True):
        for shape in SHAPES:
            x, target = _pair(draw, shape, x_grad=both, target_grad=True)
            what = (f"shape {shape}: gradient of target", f"形状 {shape}：target 的梯度")
            (came,) = _grad(submission.mse(x, target), [target], "mse(x, target)")
            look = (
                "target appears with a minus sign; it may need a gradient like x",
                "target 前面有负号；它与 x 一样可能需要梯度",
            )
            claims.close(
                claims.tensor(came, what, shape=shape, look=look), -_gradient(x, target), what, look=look
            )


def test_grad_output(submission, draw):
    """grad_output other than 1 is honoured."""
    for scale in (-2.5, 0.0, 3.0, draw.rng.uniform(0.1, 0.9)):
        x, target = _pair(draw, (3, 5), x_grad=True, target_grad=True)
        gradients = _grad(submission.mse(x, target) * scale, [x, target], "mse(x, target)")
        expected = _gradient(x, target, scale)
        for name, came, want in (("x", gradients[0], expected), ("target", gradients[1], -expected)):
            what = (
                f"{scale:.3g} * mse(x, target): gradient of {name}",
                f"{scale:.3g} * mse(x, target)：{name} 的梯度",
            )
            claims.close(
                claims.tensor(came, what), want, what, look=("multiply by grad_output", "要乘以 grad_output")
            )
    _grad_output_is_kept(submission, draw)


def _grad_output_is_kept(submission, draw):
    """Claim that the grad_output of the caller keeps its value."""
    x, target = _pair(draw, (3, 5), x_grad=True, target_grad=True)
    given = draw.rand(dtype=torch.float64) + 0.5
    kept = given.clone()
    claims.tensor(submission.mse(x, target), "mse(x, target)", shape=()).backward(given)
    claims.same(
        given,
        kept,
        ("after loss.backward(g), the tensor g", "loss.backward(g) 之后，张量 g"),
        (
            "backward must not change grad_output in place: in a sum, other losses receive the same tensor",
            "backward 不能就地修改 grad_output：别的节点收到的是同一个张量（例如两个损失相加）",
        ),
    )


def test_losses_do_not_share(submission, draw):
    """Each loss remembers the inputs of its own call."""
    pairs = [_pair(draw, shape, x_grad=True) for shape in ((2, 3),) * 3]
    losses = [submission.mse(x, target) for x, target in pairs]
    for index in (1, 0, 2):
        x, target = pairs[index]
        (came,) = _grad(losses[index], [x], "mse(x, target)")
        what = (
            f"loss {index + 1} of 3 alive at once: gradient of x",
            f"三个并存损失中的第 {index + 1} 个：x 的梯度",
        )
        look = ("state belongs on ctx, not on the class or the module", "状态应放在 ctx 上，而不是类或模块上")
        claims.close(
            claims.tensor(came, what, shape=x.shape, look=look), _gradient(x, target), what, look=look
        )


def test_none_where_not_needed(submission, draw):
    """No gradient is made for an input that needs none."""
    for needed in (0, 1):
        inputs = _pair(draw, (3, 5), x_grad=needed == 0, target_grad=needed == 1)
        names = ("x", "target")
        (node,) = _own_nodes(submission, submission.MeanSquaredError.apply(*inputs))
        came = node.apply(torch.ones((), dtype=torch.float64))
        what = (
            f"what backward returns when only {names[needed]} needs a gradient",
            f"只有 {names[needed]} 需要梯度时 backward 的返回值",
        )
        claims.instance(came, tuple, what)
        claims.that(
            len(came) == 2 and came[1 - needed] is None,
            (
                f"only {names[needed]} needs a gradient: backward returns None for {names[1 - needed]}",
                f"只有 {names[needed]} 需要梯度：backward 为 {names[1 - needed]} 返回 None",
            ),
            claims.summary(came[1 - needed]) if len(came) == 2 else claims.summary(came),
            "ctx.needs_input_grad",
        )
        claims.tensor(came[needed], what, shape=(3, 5))


def test_second_derivative(submission, draw):
    """The gradient can be differentiated again."""
    x, target = _pair(draw, (3, 5), x_grad=True, target_grad=True)
    scale = draw.randn(dtype=torch.float64, requires_grad=True)
    weights = draw.randn(3, 5, dtype=torch.float64)
    look = (
        "compute backward from the saved inputs, differentiably: no detach, .item(), once_differentiable",
        "backward 要用可微运算从保存的输入算起，不要用 detach、.item() 或 once_differentiable",
    )
    (first,) = _grad(submission.mse(x, target) * scale, [x], "mse(x, target)", create_graph=True)
    claims.that(
        first.requires_grad,
        (
            "with create_graph=True the gradient itself can be differentiated",
            "create_graph=True 时梯度本身可以求导",
        ),
        ("a gradient without a graph", "梯度没有计算图"),
        look,
    )
    try:
        second = torch.autograd.grad((first * weights).sum(), [x, target, scale], allow_unused=True)
    except RuntimeError as error:
        claims.fail(
            ("a gradient that can be differentiated", "可以再求导的梯度"), f"RuntimeError: {error}", look
        )
    curve = (weights * scale).detach() * (2.0 / x.numel())
    slope = (weights * _gradient(x, target)).sum()
    for name, came, want in zip(("x", "target", "grad_output"), second, (curve, -curve, slope), strict=True):
        what = (f"mse differentiated by x, then by {name}", f"mse 先对 x、再对 {name} 求导")
        if came is None:
            missing = (
                f"there is none: the graph of the gradient does not reach {name}",
                f"求不出来：梯度的计算图没有连到 {name}",
            )
            claims.fail((f"{what[0]}: a second derivative", f"{what[1]}：存在二阶导数"), missing, look)
        claims.close(claims.tensor(came, what, look=look), want, what, look=look)


def test_gradcheck(submission, draw):
    """gradcheck and gradgradcheck pass for both inputs."""
    for shape in ((), (3,), (2, 3)):
        for x_grad, target_grad in ((True, True), (True, False), (False, True)):
            inputs = _pair(draw, shape, x_grad=x_grad, target_grad=target_grad)
            for check in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
                who = " ".join(n for n, needs in (("x", x_grad), ("target", target_grad)) if needs)
                claims.that(
                    check(submission.mse, inputs, raise_exception=False) is True,
                    (
                        f"torch.autograd.{check.__name__} passes for {who}",
                        f"{who} 通过 torch.autograd.{check.__name__}",
                    ),
                    ("it does not", "没有通过"),
                    ("the analytic gradient differs from finite differences", "解析梯度与数值差分不一致"),
                )


def test_inputs_are_guarded(submission, draw):
    """An input changed in place before backward is noticed."""
    for index, name in enumerate(("x", "target")):
        inputs = _pair(draw, (3, 5), x_grad=True, target_grad=True)
        loss = claims.tensor(submission.mse(*inputs), "mse(x, target)", shape=())
        with torch.no_grad():
            inputs[index].add_(1.0)
        claims.raises(
            RuntimeError,
            loss.backward,
            (f"backward after {name} was changed in place", f"{name} 被就地修改之后的 backward"),
            ("keep the inputs with ctx.save_for_backward", "用 ctx.save_for_backward 保存输入"),
        )
