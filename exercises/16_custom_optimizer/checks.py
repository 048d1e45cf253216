"""Checks of exercise 16: SGD with momentum against torch.optim.SGD, in float64."""

import sys
from pathlib import Path

import torch

from ptquiz.worker import claims

SHAPES = [(3, 5), (1,), (4,), (4,), ()]  # two alike


def _parameters(draw, shapes=SHAPES):
    return [torch.nn.Parameter(draw.randn(*shape, dtype=torch.float64)) for shape in shapes]


def _twins(parameters):
    """Parameters of the same values, for the optimizer that is compared with."""
    return [torch.nn.Parameter(parameter.detach().clone()) for parameter in parameters]


def _give_gradients(draw, *lists, missing=(), zero=False):
    """Give the same fresh gradients, or zeros, to parameters at the same place of the lists."""
    for place, twins in enumerate(zip(*lists, strict=True)):
        gradient = None if place in missing else draw.randn(*twins[0].shape, dtype=torch.float64)
        if zero and gradient is not None:
            gradient.zero_()
        for parameter in twins:
            parameter.grad = None if gradient is None else gradient.clone()


def _compare(mine, reference, when, look=""):
    for place, (parameter, twin) in enumerate(zip(mine, reference, strict=True)):
        what = (f"{when[0]}: parameter {place}", f"{when[1]}：第 {place} 个参数")
        claims.close(parameter.detach(), twin.detach(), what, rtol=1e-11, look=look)


def _against_torch(submission, draw, look="", steps=5, **options):
    """Compare some steps of one group with torch.optim.SGD; in one of them all gradients are zeros."""
    mine = _parameters(draw)
    reference = _twins(mine)
    optimizer = submission.SGDMomentum(mine, **options)
    expected = torch.optim.SGD(reference, **options)
    text = ", ".join(f"{name}={value}" for name, value in options.items())
    for step in range(1, steps + 1):
        zero = step == 4
        _give_gradients(draw, mine, reference, zero=zero)
        optimizer.step()
        expected.step()
        when = (f"step {step} with {text}", f"{text}，第 {step} 步")
        about = look
        if zero:
            when = (f"{when[0]}, gradients of zeros", f"{when[1]}，梯度全为零")
            about = (
                "a gradient of zeros is not None: momentum and decay still move p",
                "梯度为零不等于 None：动量和衰减照样移动 p",
            )
        _compare(mine, reference, when, about)


def test_is_an_optimizer(submission, draw):
    """SGDMomentum is an optimizer with its options in param_groups."""
    parameters = _parameters(draw)
    lr, momentum, decay = 0.3, 0.8, 0.05
    for optimizer, expected in (
        (submission.SGDMomentum(parameters), (0.01, 0.0, 0.0)),
        (
            submission.SGDMomentum(iter(parameters), lr=lr, momentum=momentum, weight_decay=decay),
            (lr, momentum, decay),
        ),
        (submission.SGDMomentum([{"params": parameters}], lr, momentum), (lr, momentum, 0.0)),
    ):
        claims.instance(optimizer, torch.optim.Optimizer, "SGDMomentum(params)")
        what = ("len(optimizer.param_groups)", "len(optimizer.param_groups)")
        claims.same(len(optimizer.param_groups), 1, what)
        group = optimizer.param_groups[0]
        for name, value in zip(("lr", "momentum", "weight_decay"), expected, strict=True):
            claims.that(
                name in group,
                (f"'{name}' in optimizer.param_groups[0]",) * 2,
                (f"the keys {sorted(map(str, group))}", f"键 {sorted(map(str, group))}"),
                (
                    "pass all options as defaults to super().__init__",
                    "把全部选项作为 defaults 传给 super().__init__",
                ),
            )
            claims.close(group[name], value, f"optimizer.param_groups[0]['{name}']")


def test_step_without_closure(submission, draw):
    """step works without a closure."""
    parameters = _parameters(draw)
    before = [parameter.detach().clone() for parameter in parameters]
    optimizer = submission.SGDMomentum(parameters, lr=0.1)
    _give_gradients(draw, parameters)
    claims.same(optimizer.step(), None, "optimizer.step()")
    moved = all(bool((parameter != old).all()) for parameter, old in zip(parameters, before, strict=True))
    claims.that(
        moved,
        ("every parameter has moved after step()", "step() 之后每个参数都变了"),
        ("some have not", "有的没有变"),
    )


def _borrowed(call):
    """The files of torch.optim, apart from the base class's, whose code runs during the call."""
    home, found = Path(torch.optim.__file__).parent, set()

    def note(frame, event, _):
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.parent == home and path.name not in ("optimizer.py", "__init__.py"):
            found.add(path.name)

    earlier = sys.getprofile()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(earlier)
    return sorted(found)


def test_own_arithmetic(submission, draw):
    """No other optimizer of torch.optim takes part."""
    parameters = _parameters(draw)
    optimizer = submission.SGDMomentum(parameters, lr=0.1, momentum=0.9, weight_decay=0.1)
    bases = [
        base.__name__
        for base in type(optimizer).__mro__
        if base.__module__.startswith("torch.optim") and base is not torch.optim.Optimizer
    ]
    what = (
        "SGDMomentum computes by itself; Optimizer is all that it takes from torch.optim",
        "SGDMomentum 自己完成计算，只使用 torch.optim 里的 Optimizer",
    )
    claims.that(not bases, what, (f"it inherits from {bases}", f"它继承自 {bases}"))
    _give_gradients(draw, parameters)
    optimizer.step()
    _give_gradients(draw, parameters)
    files = _borrowed(optimizer.step)
    names = ", ".join(f"torch/optim/{name}" for name in files)
    claims.that(not files, what, (f"step() runs code of {names}", f"step() 运行了 {names} 里的代码"))


def test_plain_steps(submission, draw):
    """Without momentum it is plain SGD."""
    for lr in (0.1, 1.0, 0.0):
        _against_torch(submission, draw, ("p = p - lr * g",) * 2, lr=lr)


def test_in_place(submission, draw):
    """Parameters are changed in place, gradients are left alone."""
    parameters = _parameters(draw)
    optimizer = submission.SGDMomentum(parameters, lr=0.1, momentum=0.9, weight_decay=0.2)
    addresses = [parameter.data_ptr() for parameter in parameters]
    for _ in range(2):
        _give_gradients(draw, parameters)
        gradients = [parameter.grad.clone() for parameter in parameters]
        optimizer.step()
        what = ("p.grad after step()", "step() 之后的 p.grad")
        look = ("g + weight_decay * p needs a tensor of its own", "g + weight_decay * p 要另存一个张量")
        claims.same([parameter.grad for parameter in parameters], gradients, what, look)
    members = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    same = len(members) == len(parameters) and all(a is b for a, b in zip(members, parameters, strict=True))
    same = same and addresses == [parameter.data_ptr() for parameter in parameters]
    claims.that(
        same,
        ("the same parameter objects in the same memory", "还是原来的参数对象，还在原来的内存里"),
        ("other tensors", "换成了别的张量"),
        (
            "p.add_(...) changes p; p = p - ... makes a new tensor",
            "p.add_(...) 改的是 p；p = p - ... 得到的是新张量",
        ),
    )
    claims.that(
        all(parameter.requires_grad and parameter.is_leaf for parameter in parameters),
        ("parameters that are leaves and need gradients", "参数仍是需要梯度的叶子"),
        ("some are not", "有的不是"),
    )


def test_momentum(submission, draw):
    """Momentum, step for step like torch.optim.SGD."""
    look = (
        "buffer = momentum * buffer + d, one buffer a parameter",
        "buffer = momentum * buffer + d，每个参数一个",
    )
    for momentum in (0.9, 0.5, 1.0):
        _against_torch(submission, draw, look, lr=0.1, momentum=momentum)


def test_weight_decay(submission, draw):
    """Weight decay, step for step like torch.optim.SGD."""
    look = (
        "the decay is part of the gradient, so it enters the momentum too",
        "衰减是梯度的一部分，因此也要进入动量",
    )
    _against_torch(submission, draw, look, lr=0.1, weight_decay=0.3)
    _against_torch(submission, draw, look, lr=0.2, momentum=0.9, weight_decay=0.1)


def test_groups(submission, draw):
    """Each group uses its own options."""
    mine = _parameters(draw, [(3,), (2, 2), (5,), (1,), ()])
    reference = _twins(mine)

    def groups(parameters):
        return [
            {"params": parameters[:2], "lr": 0.3, "momentum": 0.5},
            {"params": parameters[2:3], "weight_decay": 0.0},
            {"params": parameters[3:4], "momentum": 0.0, "weight_decay": 0.4},
        ]

    options = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}
    optimizer = submission.SGDMomentum(groups(mine), **options)
    expected = torch.optim.SGD(groups(reference), **options)
    for step in range(1, 6):
        if step == 3:
            optimizer.add_param_group({"params": mine[4:], "lr": 0.7})
            expected.add_param_group({"params": reference[4:], "lr": 0.7})
        _give_gradients(draw, mine, reference)
        optimizer.step()
        expected.step()
        look = (
            "read lr, momentum and weight_decay from the group",
            "lr、momentum、weight_decay 要从参数组里读",
        )
        _compare(mine, reference, (f"several groups, step {step}", f"多个参数组，第 {step} 步"), look)


def test_options_change(submission, draw):
    """A scheduler, or anybody, may change the options."""
    mine = _parameters(draw)
    reference = _twins(mine)
    options = {"lr": 0.4, "momentum": 0.9, "weight_decay": 0.1}
    optimizer, expected = submission.SGDMomentum(mine, **options), torch.optim.SGD(reference, **options)
    schedulers = [torch.optim.lr_scheduler.StepLR(o, step_size=1, gamma=0.5) for o in (optimizer, expected)]
    for step in range(1, 7):
        if step == 5:
            for group in (optimizer.param_groups[0], expected.param_groups[0]):
                group.update(momentum=0.3, weight_decay=0.02)
        _give_gradients(draw, mine, reference)
        optimizer.step()
        expected.step()
        for scheduler in schedulers:
            scheduler.step()
        look = (
            "read the options from the group at each step; lr belongs to the update, not into the buffer",
            "每一步都从参数组里读选项；lr 用在更新时，不要乘进 buffer",
        )
        _compare(mine, reference, (f"options that change, step {step}", f"选项变化时，第 {step} 步"), look)


def test_missing_gradients(submission, draw):
    """Parameters without a gradient are skipped."""
    mine = _parameters(draw)
    reference = _twins(mine)
    options = {"lr": 0.2, "momentum": 0.8, "weight_decay": 0.3}
    optimizer, expected = submission.SGDMomentum(mine, **options), torch.optim.SGD(reference, **options)
    for step, missing in enumerate(((1,), (0,), (0, 1, 2, 3, 4), (2,), (), (3, 0)), start=1):
        _give_gradients(draw, mine, reference, missing=missing)
        optimizer.step()
        expected.step()
        when = (
            f"step {step} without gradients for {list(missing)}",
            f"第 {step} 步，参数 {list(missing)} 没有梯度",
        )
        look = (
            "where p.grad is None, neither decay nor momentum moves p",
            "p.grad 为 None 时，衰减和动量都不动 p",
        )
        _compare(mine, reference, when, look)


def test_zeroed_gradients(submission, draw):
    """Zeroing the gradients does not touch the momentum."""
    for decay in (0.0, 0.1):
        mine = _parameters(draw)
        reference = _twins(mine)
        options = {"lr": 0.1, "momentum": 0.9, "weight_decay": decay}
        optimizer, expected = submission.SGDMomentum(mine, **options), torch.optim.SGD(reference, **options)
        for step in range(1, 5):
            for parameter, twin in zip(mine, reference, strict=True):
                gradient = draw.randn(*parameter.shape, dtype=torch.float64)
                for target in (parameter, twin):
                    if target.grad is None:
                        target.grad = torch.zeros_like(target)
                    target.grad.add_(gradient)
            optimizer.step()
            expected.step()
            when = (
                f"step {step} with zero_grad(set_to_none=False)",
                f"zero_grad(set_to_none=False)，第 {step} 步",
            )
            _compare(
                mine,
                reference,
                when,
                ("the buffer must not be the gradient itself", "buffer 不能就是梯度本身"),
            )
            optimizer.zero_grad(set_to_none=False)
            expected.zero_grad(set_to_none=False)


def _closure_called(calls, after, enabled):
    """Claim one call with gradients enabled, and the caller's setting restored."""
    claims.same(
        len(calls),
        1,
        ("how often step(closure) calls the closure", "step(closure) 调用 closure 的次数"),
    )
    claims.that(
        calls[0],
        ("gradients are enabled inside the closure", "closure 里启用了梯度"),
        ("torch.is_grad_enabled() is False there", "其中 torch.is_grad_enabled() 为 False"),
        "torch.enable_grad()",
    )
    claims.same(
        after,
        enabled,
        ("torch.is_grad_enabled() after step()", "step() 之后的 torch.is_grad_enabled()"),
    )


def test_closure(submission, draw):
    """A closure is called once, with gradients enabled, and its loss returned."""
    for enabled in (True, False):
        (mine,), inputs = _parameters(draw, [(5,)]), draw.randn(7, 5, dtype=torch.float64)
        (twin,) = _twins([mine])
        optimizer = submission.SGDMomentum([mine], lr=0.1, momentum=0.9)
        expected = torch.optim.SGD([twin], lr=0.1, momentum=0.9)
        calls, losses = [], []

        def closure(parameter, opt, calls=calls, losses=losses, inputs=inputs):
            calls.append(torch.is_grad_enabled())
            opt.zero_grad()
            loss = (inputs @ parameter).square().mean()
            if torch.is_grad_enabled():
                loss.backward()
            losses.append(loss)
            return loss

        for step in range(1, 4):
            del calls[:], losses[:]
            with torch.set_grad_enabled(enabled):
                came = optimizer.step(lambda: closure(mine, optimizer))  # noqa: B023
                after = torch.is_grad_enabled()
            _closure_called(calls, after, enabled)
            claims.that(
                came is losses[0],
                (
                    f"step(closure) returns what the closure returned, as it is: {claims.summary(losses[0])}",
                    f"step(closure) 原样返回 closure 返回的损失：{claims.summary(losses[0])}",
                ),
                claims.summary(came),
            )
            expected.step(lambda: closure(twin, expected))  # noqa: B023
            when = (f"step(closure), step {step}", f"step(closure)，第 {step} 步")
            look = (
                "the update uses the gradients that the closure has made",
                "更新用的是 closure 算出的梯度",
            )
            _compare([mine], [twin], when, look)


def test_state_dict(submission, draw, tmp_path):
    """A saved and loaded state goes on the same."""
    mine = _parameters(draw)
    reference = _twins(mine)
    options = {"lr": 0.2, "momentum": 0.9, "weight_decay": 0.1}
    optimizer, expected = submission.SGDMomentum(mine, **options), torch.optim.SGD(reference, **options)
    for _ in range(3):
        _give_gradients(draw, mine, reference)
        optimizer.step()
        expected.step()
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    try:
        state = torch.load(tmp_path / "optimizer.pt", weights_only=True)
    except Exception as error:
        claims.fail(
            (
                "torch.load(path, weights_only=True) opens the saved state",
                "torch.load(path, weights_only=True) 能打开状态",
            ),
            f"{type(error).__name__}: {str(error).split('.')[0][:120]}",
        )
    resumed = _twins(mine)
    fresh = submission.SGDMomentum(resumed, lr=0.9, momentum=0.1)
    fresh.load_state_dict(state)
    for step in range(1, 4):
        _give_gradients(draw, resumed, reference)
        fresh.step()
        expected.step()
        look = (
            "keep the buffers in self.state[p]; state_dict() saves them",
            "buffer 放在 self.state[p] 里，state_dict() 才会保存",
        )
        when = (f"step {step} after loading the state", f"加载状态之后第 {step} 步")
        _compare(resumed, reference, when, look)


def _tensors(value):
    if torch.is_tensor(value):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _tensors(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _tensors(inner)


def test_no_graph(submission, draw):
    """No graph grows."""
    (parameter,) = _parameters(draw, [(4,)])
    (twin,) = _twins([parameter])
    options = {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.1}
    optimizer, expected = submission.SGDMomentum([parameter], **options), torch.optim.SGD([twin], **options)
    for step in range(1, 4):
        for target in (parameter, twin):
            (target.grad,) = torch.autograd.grad(target.pow(3).sum(), [target], create_graph=True)
        optimizer.step()
        expected.step()
        when = (
            f"step {step}, gradients made with create_graph=True",
            f"第 {step} 步，梯度带 create_graph=True",
        )
        _compare([parameter], [twin], when)
        for value in [parameter, *_tensors(dict(optimizer.state.get(parameter, {})))]:
            claims.that(
                value.grad_fn is None,
                ("parameters and buffers without a graph", "参数与 buffer 都不带计算图"),
                f"grad_fn = {claims.summary(value.grad_fn)}",
                ("update under torch.no_grad()", "在 torch.no_grad() 下更新"),
            )


def test_negative_options(submission, draw):
    """Negative options raise ValueError."""
    for name in ("lr", "momentum", "weight_decay"):
        value = -draw.choice([1e-9, 0.1, 1.0])
        what = f"SGDMomentum(params, {name}={value})"
        options = {"lr": 0.1, name: value}
        claims.raises(ValueError, lambda o=options: submission.SGDMomentum(_parameters(draw), **o), what)
    submission.SGDMomentum(_parameters(draw), lr=0.0, momentum=0.0, weight_decay=0.0)
