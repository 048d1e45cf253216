"""Hidden checks of exercise 8."""

import contextlib
import copy
import re
from collections import OrderedDict, namedtuple

import torch
from torch import nn

from ptquiz.worker import claims

Pair = namedtuple("Pair", "x y")


class _Thing:
    """An object that nobody should touch, with a tensor inside."""

    def __init__(self, inner=None):
        self.inner = inner

    def __repr__(self):
        return "an object of some class"


class _Net(nn.Module):
    """Takes a nested batch; has parameters and buffers."""

    def __init__(self, draw):
        super().__init__()
        self.a, self.b = nn.Linear(4, 3), nn.Linear(2, 3)
        self.norm = nn.BatchNorm1d(3)
        self.double()
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(draw.randn(*p.shape))

    def forward(self, inputs):
        first, (second,) = inputs["first"], inputs["rest"]
        return self.norm(self.a(first) + self.b(second)).tanh()


def _loss(output, targets):
    return (output * targets.y).sum() / len(output) + (output - targets.x).pow(2).mean()


def _batch(draw, n):
    inputs = {"first": draw.randn(n, 4), "rest": (draw.randn(n, 2),), "note": "words"}
    return inputs, Pair(draw.randn(n, 3), draw.randn(n, 3))


def _cpu_step(model, optimizer, batch):
    optimizer.zero_grad()
    loss = _loss(model(batch[0]), batch[1])
    loss.backward()
    optimizer.step()
    return float(loss.detach())


@contextlib.contextmanager
def _no_gpu():
    """As if the machine had no GPU: asking says so, using one raises."""
    names, kept = ["to", "cuda"], []

    def refuse(*args, **kwargs):
        raise RuntimeError("No CUDA GPUs are available")

    def guarded(function):
        def call(*args, **kwargs):
            wanted = [*args[1:], *kwargs.values()]
            if any(isinstance(w, str | torch.device) and torch.device(w).type == "cuda" for w in wanted):
                refuse()
            return function(*args, **kwargs)

        return call

    def put(owner, name, value):
        kept.append((owner, name, vars(owner).get(name, kept)))
        setattr(owner, name, value)

    try:
        for name in ["current_device", "set_device", "get_device_properties", "get_device_name", "init"]:
            put(torch.cuda, name, refuse)
        put(torch.cuda, "is_available", lambda: False)
        put(torch.cuda, "device_count", lambda: 0)
        put(torch.accelerator, "is_available", lambda: False)
        put(torch.accelerator, "device_count", lambda: 0)
        put(torch.accelerator, "current_accelerator", lambda *args, **kwargs: None)
        put(torch.Tensor, names[0], guarded(torch.Tensor.to))
        put(torch.Tensor, names[1], refuse)
        for name in ["zeros", "ones", "empty", "tensor", "rand", "randn"]:
            put(torch, name, guarded(getattr(torch, name)))
        yield
    finally:
        for owner, name, value in reversed(kept):
            if value is kept:
                delattr(owner, name)
            else:
                setattr(owner, name, value)


def _picked(submission, prefer, expected):
    """Claim that pick_device(prefer) is one of `expected`."""
    what = f"pick_device({prefer!r})"
    device = claims.instance(submission.pick_device(prefer), torch.device, what)
    names = [torch.device(e) for e in expected]
    claims.that(device in names, (f"{what} is {names[0]}", f"{what} 是 {names[0]}"), f"{device}")


def test_pick_device(submission, gpu):
    """pick_device where there are GPUs."""
    gpu.device(1)
    for current in [0, 1]:
        torch.cuda.set_device(current)
        here = [f"cuda:{current}", "cuda"]
        what = "pick_device()"
        device = claims.instance(submission.pick_device(), torch.device, what)
        claims.that(
            device in [torch.device(h) for h in here],
            (f"{what} is the current device, {here[0]}", f"{what} 是当前设备 {here[0]}"),
            f"{device}",
        )
        _picked(submission, None, here)
        _picked(submission, "cuda", here)
        _picked(submission, torch.device("cuda"), here)
        for i in [0, 1]:
            _picked(submission, f"cuda:{i}", [f"cuda:{i}"])
            _picked(submission, torch.device("cuda", i), [f"cuda:{i}"])
        _picked(submission, "cpu", ["cpu"])
        _picked(submission, torch.device("cpu"), ["cpu"])
        claims.that(
            torch.cuda.current_device() == current,
            ("the current device is not changed", "当前设备没有被改变"),
            f"cuda:{torch.cuda.current_device()}",
        )


def test_wrong_index(submission, draw, gpu):
    """A wrong index is a clear error."""
    count = gpu.count
    for index in [count, count + draw.integer(3, 50)]:
        what = f'pick_device("cuda:{index}")'
        error = claims.raises(
            ValueError,
            lambda index=index: submission.pick_device(f"cuda:{index}"),
            (f"on a machine with {count} GPUs, {what}", f"机器有 {count} 块 GPU 时，{what}"),
        )
        text = str(error)
        claims.that(
            {str(index), str(count)} <= set(re.findall(r"\d+", text)),
            (
                f"an error that names the index {index} and the number of devices {count}",
                f"错误信息里有序号 {index} 和设备数 {count}",
            ),
            text or ("no text", "没有内容"),
        )


def test_pick_without_gpu(submission):
    """pick_device where there is no GPU."""
    with _no_gpu():
        for prefer in [None, "cuda", "cuda:1", torch.device("cuda", 0), "cpu"]:
            what = f"pick_device({prefer!r})"
            try:
                device = submission.pick_device(prefer)
            except NotImplementedError:
                raise
            except Exception as error:
                claims.fail(
                    (f"without a GPU, {what} is cpu", f"没有 GPU 时，{what} 是 cpu"),
                    f"{type(error).__name__}: {error}",
                )
            claims.that(
                claims.instance(device, torch.device, what).type == "cpu",
                (f"without a GPU, {what} is cpu", f"没有 GPU 时，{what} 是 cpu"),
                f"{device}",
            )


def _same_nest(came, given, device, where):
    """Claim that `came` is `given` with its tensors on `device` and the rest as it was."""
    if isinstance(given, torch.Tensor):
        claims.tensor(came, where, shape=given.shape, dtype=given.dtype, device=device)
        claims.close(came.detach().cpu(), given.detach().cpu(), where, rtol=0, atol=0)
    elif isinstance(given, dict | list | tuple):
        claims.that(
            type(came) is type(given),
            (f"type({where}) is {type(given).__name__}", f"{where} 的类型是 {type(given).__name__}"),
            claims.summary(came),
            ("a namedtuple is built from its entries one by one", "namedtuple 要逐个传入元素来构造")
            if isinstance(given, Pair)
            else "",
        )
        if isinstance(given, dict):
            claims.same(list(came), list(given), f"list({where})", ("keys and their order", "键及其顺序"))
        claims.same(len(came), len(given), f"len({where})")
        for key in list(given) if isinstance(given, dict) else range(len(given)):
            _same_nest(came[key], given[key], device, f"{where}[{key!r}]")


def _nest(draw):
    return {
        "x": draw.randn(2, 3),
        "list": [draw.randn(1), [draw.integers(0, 9, (3,))], {}],
        3: (draw.randn(0, 2), "word", Pair(draw.randn(2), {"deep": [draw.randn(1, 1)]})),
        "pair": Pair(y=draw.randn(2, dtype=torch.float32), x=None),
        "ordered": OrderedDict(z=draw.randn(1), a=OrderedDict(), m=[OrderedDict(k=draw.randn(2))]),
        "empty": ((), [], draw.integers(0, 2, ()).bool()),
    }


def test_moves_tensors(submission, draw, gpu):
    """Every tensor goes to the device, containers keep their type."""
    for target in ["cuda:1", torch.device("cuda", 0), "cpu", gpu.device(1)]:
        for batch in [
            _nest(draw),
            draw.randn(2),
            [draw.randn(1)],
            Pair(draw.randn(2), 1),
            (draw.randn(3),),
            {},
        ]:
            came = submission.to_device(batch, target)
            _same_nest(came, batch, torch.device(target), f'to_device(batch, "{target}")')
    there = {"a": [draw.randn(2).to("cuda:1")]}
    for target in ["cpu", "cuda:0", "cuda:1"]:
        came = submission.to_device(there, target)
        _same_nest(came, there, torch.device(target), f'to_device(batch, "{target}")')


def _inside(nest):
    """What a container holds, or what a `_Thing` does."""
    if isinstance(nest, dict):
        return list(nest.values())
    if isinstance(nest, list | tuple):
        return list(nest)
    return [nest.inner] if isinstance(nest, _Thing) else []


def _picture(nest):
    """Identities of everything in the batch, and where its tensors are."""
    place = str(nest.device) if isinstance(nest, torch.Tensor) else ""
    return [id(nest), place, [_picture(x) for x in _inside(nest)]]


def _same_rest(came, given, where):
    """Claim new lists and dicts, and that what is neither tensor nor container is the very same object."""
    if isinstance(given, dict | list):
        claims.that(
            came is not given,
            (f"{where} is a new {type(given).__name__}", f"{where} 是新的 {type(given).__name__}"),
            ("the caller's own", "还是调用者的那一个"),
            (
                "also where it is empty, or on the device already: whoever changes one must not change both",
                "空容器、本来就在该设备上的也一样：改其中一个不应影响另一个",
            ),
        )
    if isinstance(given, dict | list | tuple):
        keys = list(given) if isinstance(given, dict) else range(len(given))
        for key in keys:
            _same_rest(came[key], given[key], f"{where}[{key!r}]")
    elif not isinstance(given, torch.Tensor):
        equal = type(came) is type(given) and came == given
        claims.that(
            came is given,
            (
                f"{where} is the same object as in the batch, {claims.summary(given)}",
                f"{where} 与 batch 里的 {claims.summary(given)} 是同一个对象",
            ),
            ("an equal copy", "一份相等的副本") if equal else claims.summary(came),
        )


def test_rest_untouched(submission, draw, gpu):
    """Other objects and the caller's batch stay as they were."""
    thing = _Thing(draw.randn(2))
    numbers = [7, 2.5, True, None, "words", b"bytes", {"a set"}, thing, range(3), torch.float64]
    batch = {"rest": numbers, "nest": _nest(draw), "again": (thing, [_Thing()])}
    there = {"here": [draw.randn(2).to("cuda:0")], "words": ["only"], "none": [], "nothing": {}}
    for given, name in [(batch, "batch"), (there, "moved")]:
        before = _picture(given)
        came = submission.to_device(given, gpu.device(0))
        claims.that(
            _picture(given) == before,
            ("the caller's batch stays as it was", "调用者的 batch 保持原样"),
            ("something in it was changed, or moved in place", "里面的东西被改动或原地搬走了"),
            ("build new containers, leave other objects alone", "要新建容器，别的对象不要动"),
        )
        where = f"to_device({name}, device)"
        _same_nest(came, given, gpu.device(0), where)
        _same_rest(came, given, where)
    for bare in ["words", 3, None, thing]:
        claims.that(
            submission.to_device(bare, "cuda") is bare,
            (f"to_device({bare!r}, device) gives it back", f"to_device({bare!r}, device) 原样返回"),
            ("something else", "别的东西"),
        )


def _compare(model, twin, optimizer, twin_optimizer, device, when):
    """Parameters, buffers and optimizer state: on `device`, with the twin's values."""
    state = twin.state_dict()
    for name, tensor in model.state_dict().items():
        what = (f"{when[0]}, {name} of the model", f"{when[1]}，模型的 {name}")
        claims.tensor(tensor.detach(), what, device=device)
        claims.close(tensor.detach().cpu(), state[name], what)
    for (name, p), q in zip(model.named_parameters(), twin.parameters(), strict=True):
        for key, wanted in twin_optimizer.state[q].items():
            if not isinstance(wanted, torch.Tensor) or wanted.shape != q.shape:
                continue
            what = (f"{when[0]}, the optimizer's {key} of {name}", f"{when[1]}，优化器中 {name} 的 {key}")
            came = optimizer.state[p].get(key) if p in optimizer.state else None
            claims.tensor(came, what, device=device)
            claims.close(came.cpu(), wanted, what)


def _steps(submission, draw, kind, places, training=True):
    """Train one model through `places` and its twin on the CPU; compare after each step."""
    model = _Net(draw).train(training)
    twin = copy.deepcopy(model)
    optimizer, other = kind(list(model.parameters())), kind(list(twin.parameters()))
    identities = [id(p) for p in model.parameters()]
    for i, place in enumerate(places):
        batch = _batch(draw, draw.integer(2, 6))
        before = _picture(batch)
        when = (f"after step {i + 1} on {place}", f"第 {i + 1} 步（{place}）之后")
        wanted = _cpu_step(twin, other, batch)
        came = _learners_step(submission, model, optimizer, batch, place, i + 1)
        mode = "train" if training else "eval"
        claims.that(
            all(m.training is training for m in model.modules()),
            (f"{when[0]}, the model is in {mode} mode as before", f"{when[1]}，模型仍处于 {mode} 模式"),
            ("the mode was changed", "模式被改了"),
        )
        claims.close(came, wanted, (f"step {i + 1} on {place}, the loss", f"第 {i + 1} 步（{place}）的损失"))
        _compare(model, twin, optimizer, other, torch.device(place), when)
        claims.that(
            [id(p) for p in model.parameters()] == identities and _picture(batch) == before,
            ("model and batch remain the same objects", "模型参数和 batch 仍是原来的对象"),
            ("they were exchanged", "被换掉了"),
        )


def _learners_step(submission, model, optimizer, batch, place, step):
    """The loss that train_step gives; words for what is on the wrong device."""
    try:
        came = submission.train_step(model, optimizer, batch, _loss, place)
    except RuntimeError as error:
        if "same device" not in str(error):
            raise
        claims.fail(
            (f"step {step}: everything on {place}", f"第 {step} 步：全部都在 {place} 上"),
            str(error)[:150],
            (
                "model, inputs, targets, and the tensors in optimizer.state (of every group, under any name)",
                "模型、输入、目标，以及 optimizer.state 里的张量（各参数组的都算，不论叫什么名字）",
            ),
        )
    return claims.instance(came, float, "train_step(…)")


def _plain(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def _momentum(parameters):
    return torch.optim.SGD(parameters, lr=0.05, momentum=0.9)


def _adam(parameters):
    """Two groups, and one tensor more for each parameter."""
    groups = [{"params": parameters[:2], "lr": 0.01}, {"params": parameters[2:]}]
    return torch.optim.Adam(groups, lr=0.02, amsgrad=True)


def _rmsprop(parameters):
    return torch.optim.RMSprop(parameters, lr=0.01, centered=True)


def test_step(submission, draw, gpu):
    """A step on the device gives what the CPU gives."""
    for place in [str(gpu.device(0)), "cpu", gpu.device(1)]:
        _steps(submission, draw, _plain, [place] * 3)
    _steps(submission, draw, _plain, ["cuda:0"] * 2, training=False)


def test_where_it_ran(submission, draw, gpu):
    """All computation runs on the device that was asked for."""
    for index, current in [(1, 0), (0, 1)]:
        torch.cuda.set_device(current)
        model = _Net(draw)
        optimizer = _momentum(model.parameters())
        with gpu.record() as seen:
            for _ in range(2):
                submission.train_step(model, optimizer, _batch(draw, 3), _loss, f"cuda:{index}")
        claims.that(
            torch.cuda.current_device() == current,
            (f"cuda:{current} is still the current device", f"当前设备仍是 cuda:{current}"),
            f"cuda:{torch.cuda.current_device()}",
        )
        places = sorted({op.device for op in seen.kernels})
        on = ", ".join(f"cuda:{p}" for p in places)
        claims.that(
            places == [index],
            (
                f"all computation on cuda:{index} (current device: cuda:{current})",
                f"全部计算都在 cuda:{index} 上（当前设备是 cuda:{current}）",
            ),
            (f"work on {on or 'no GPU at all'}", f"计算发生在 {on}" if on else "没有任何 GPU 在计算"),
        )


def test_optimizer_state(submission, draw, gpu):
    """The optimizer's state comes along."""
    gpu.device(1)
    _steps(submission, draw, _momentum, ["cpu", "cpu", "cuda:1", "cuda:1", "cuda:0", "cpu"])
    for kind in [_adam, _rmsprop]:
        _steps(submission, draw, kind, ["cpu", "cuda:1", "cuda:0", "cpu"])


def test_without_gpu(submission, draw):
    """The same program without a GPU."""
    with _no_gpu():
        device = submission.pick_device()
        _steps(submission, draw, _momentum, [device] * 2)
