"""Checks of exercise 9: scatter, replicate, gather, reduce."""

import copy
import gc
import math

import torch
from torch import nn
from torch.nn import functional as F

from ptquiz.worker import claims

_seen = []  # (device index, rows, parameters' device index) of every forward


class _Model(nn.Module):
    """Two layers and a buffer; notes where it runs."""

    def __init__(self, width, inside, outputs):
        super().__init__()
        self.first = nn.Linear(width, inside, dtype=torch.float64)
        self.second = nn.Linear(inside, outputs, dtype=torch.float64, bias=False)
        self.register_buffer("shift", torch.zeros(inside, dtype=torch.float64))

    def forward(self, x):
        _seen.append((x.device.index, x.detach().cpu(), self.first.weight.device.index))
        return self.second(torch.tanh(self.first(x)) + self.shift)


def _model(draw, device="cuda:0"):
    model = _Model(4, 5, 3)
    with torch.no_grad():
        for tensor in [*model.parameters(), *model.buffers()]:
            tensor.copy_(draw.randn(*tensor.shape, dtype=torch.float64))
    return model.to(device)


def _data(draw, count, device="cuda:0"):
    x = draw.randn(count, 4, dtype=torch.float64).to(device)
    return x, draw.integers(0, 3, (count,)).to(device), F.cross_entropy


def _devices(count):
    return [torch.device("cuda", i) for i in range(count)]


def _plain(model, x, y, loss_fn):
    """Loss, outputs and gradients on one device, of a copy."""
    twin = copy.deepcopy(model)
    for parameter in twin.parameters():
        parameter.grad = None
    outputs = twin(x)
    loss = loss_fn(outputs, y)
    loss.backward()
    return loss.detach(), outputs.detach(), {name: p.grad for name, p in twin.named_parameters()}


def _many(count, noun):
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _case(x, devices):
    number, names = len(devices), ""
    if [d.index for d in devices] != list(range(number)):
        names = f" ({', '.join(map(str, devices))})"
    return (
        f"{_many(len(x), 'sample')} on {_many(number, 'device')}{names}",
        f"{number} 块设备{names}、{len(x)} 个样本",
    )


def _step(submission, model, data, devices):
    """Call the learner's step; its loss and outputs, checked for shape and place."""
    x = data[0]
    case = _case(x, devices)
    del _seen[:]
    came = submission.data_parallel_step(model, *data, devices)
    what = (f"{case[0]}: what data_parallel_step returns", f"{case[1]}：data_parallel_step 的返回值")
    claims.instance(came, (tuple, list), what)
    claims.same(len(came), 2, (f"{case[0]}: len(returned)", f"{case[1]}：len(返回值)"))
    loss = claims.tensor(came[0], (f"{case[0]}: loss", f"{case[1]}：loss"), shape=(), device=devices[0])
    outputs = claims.tensor(
        came[1], (f"{case[0]}: outputs", f"{case[1]}：outputs"), shape=(len(x), 3), device=devices[0]
    )
    return loss, outputs


def _gradients(model, expected, case, look=""):
    for name, parameter in model.named_parameters():
        what = (f"{case[0]}: {name}.grad", f"{case[1]}：{name}.grad")
        if not parameter.requires_grad:
            frozen = (
                f"{case[0]}: {name} is frozen, its grad stays None",
                f"{case[1]}：{name} 已冻结，grad 仍是 None",
            )
            claims.that(parameter.grad is None, frozen, claims.summary(parameter.grad))
            continue
        grad = claims.tensor(parameter.grad, what, device=parameter.device, look=look)
        claims.close(grad, expected[name], what, rtol=1e-9, look=look)


def _compare(submission, draw, count, devices, frozen=()):
    model, data = _model(draw, devices[0]), _data(draw, count, devices[0])
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in frozen)
    want_loss, want_outputs, gradients = _plain(model, *data)
    loss, outputs = _step(submission, model, data, devices)
    case = _case(data[0], devices)
    claims.close(outputs, want_outputs, (f"{case[0]}: outputs", f"{case[1]}：outputs"), rtol=1e-9)
    claims.close(loss, want_loss, (f"{case[0]}: loss", f"{case[1]}：loss"), rtol=1e-9)
    look = (
        "the gradient of the loss over the whole batch, summed on the first device",
        "整个 batch 损失的梯度，在第一块设备上求和",
    )
    still = [name for name, p in model.named_parameters() if not p.requires_grad]
    claims.that(
        still == [name for name in gradients if name in frozen],
        (
            f"{case[0]}: requires_grad of the parameters is not changed",
            f"{case[1]}：参数的 requires_grad 不变",
        ),
        (f"frozen are {still}, and before {list(frozen)}", f"现在冻结的是 {still}，原来是 {list(frozen)}"),
    )
    _gradients(model, gradients, case, look)


def test_one_device(submission, draw, gpu):
    """On one device it is the plain step."""
    for count in (1, 5):
        _compare(submission, draw, count, _devices(1))


def test_outputs(submission, draw, gpu):
    """The outputs are those of one device."""
    for count, number in ((6, 2), (5, 2), (7, 3), (9, 3)):
        model, data, devices = _model(draw), _data(draw, count), _devices(number)
        _, expected, _ = _plain(model, *data)
        _, outputs = _step(submission, model, data, devices)
        case = _case(data[0], devices)
        look = (
            "gather in the order of the inputs; buffers belong to the replica too",
            "按输入的顺序收集；副本也要有 buffer",
        )
        claims.close(outputs, expected, (f"{case[0]}: outputs", f"{case[1]}：outputs"), rtol=1e-9, look=look)


def test_loss(submission, draw, gpu):
    """The loss is that of the whole batch."""
    for count, number in ((6, 2), (5, 2), (7, 3), (5, 3)):
        model, data, devices = _model(draw), _data(draw, count), _devices(number)
        expected, _, _ = _plain(model, *data)
        loss, _ = _step(submission, model, data, devices)
        case = _case(data[0], devices)
        look = (
            "the mean of the shards' means is another number where shards are uneven",
            "分片不均时，各片均值的均值是另一个数",
        )
        claims.close(loss, expected, (f"{case[0]}: loss", f"{case[1]}：loss"), rtol=1e-9, look=look)


def test_gradients(submission, draw, gpu):
    """The gradients are those of one device, uneven shards too."""
    for count, number in ((6, 2), (9, 3), (5, 2), (7, 3), (5, 3), (draw.integer(10, 20), 3)):
        _compare(submission, draw, count, _devices(number))


def _shards(submission, draw, count, devices):
    model, data = _model(draw, devices[0]), _data(draw, count, devices[0])
    _step(submission, model, data, devices)
    case, most = _case(data[0], devices), math.ceil(count / len(devices))
    ran, shards = [device for device, _, _ in _seen], [rows for _, rows, _ in _seen]
    names = ", ".join(f"cuda:{index}" for index in ran)
    claims.that(
        len(set(ran)) == len(ran),
        (f"{case[0]}: the model runs once on each device", f"{case[1]}：模型在每块设备上运行一次"),
        (f"it ran on {names}", f"运行的设备：{names}"),
    )
    claims.that(
        set(ran) <= {d.index for d in devices},
        (f"{case[0]}: the model runs on those devices only", f"{case[1]}：模型只在这几块设备上运行"),
        (f"it ran on {names}", f"运行的设备：{names}"),
        ("take the devices from the argument", "用哪些设备由参数决定"),
    )
    _sizes(count, most, shards, case)
    claims.that(
        all(device == place for device, _, place in _seen),
        (f"{case[0]}: shard and parameters are on the same device", f"{case[1]}：分片与参数在同一块设备上"),
        ", ".join(f"cuda:{device} / cuda:{place}" for device, _, place in _seen),
    )
    _consecutive(data[0].cpu(), shards, case)


def _sizes(count, most, shards, case):
    """Claim shards that are neither empty nor too large, with all samples in them."""
    sizes = [len(rows) for rows in shards]
    one = most == 1
    claims.that(
        sum(sizes) == count and max(sizes) <= most and min(sizes) > 0,
        (
            f"{case[0]}: shards of {'1 sample each' if one else f'1 to {most} samples'}, {count} in all",
            f"{case[1]}：每片{'恰好 1 个样本' if one else f' 1 到 {most} 个样本'}，共 {count} 个",
        ),
        (f"forwards of {sizes} samples", f"各次前向的样本数：{sizes}"),
        ("every device computes its own share", "每块设备只计算自己那一份"),
    )


def _consecutive(inputs, shards, case):
    """Claim that every shard is a run of consecutive rows of the inputs."""
    numbers = []
    for rows in shards:
        equal = (rows[:, None] == inputs[None]).all(-1)
        numbers.append([found.nonzero()[:, 0].tolist() for found in equal])
    plain = [[n[0] if n else None for n in shard] for shard in numbers]
    runs = all(None not in s and s == list(range(s[0], s[0] + len(s))) for s in plain)
    claims.that(
        runs and sorted(i for s in plain for i in s) == list(range(len(inputs))),
        (f"{case[0]}: each shard is a run of consecutive rows", f"{case[1]}：每片是连续的若干行"),
        (f"forwards of the rows {plain}", f"各次前向的行号：{plain}"),
        ("inputs.chunk, or slices [i:j]", "inputs.chunk，或切片 [i:j]"),
    )


def test_every_device_works(submission, draw, gpu):
    """Each device runs its shard."""
    for count, number in ((6, 2), (5, 2), (7, 3), (9, 3), (5, 3), (4, 1), (8, 3)):
        _shards(submission, draw, count, _devices(number))


def test_small_batch(submission, draw, gpu):
    """A batch smaller than the number of devices."""
    for count, number in ((2, 3), (1, 3), (1, 2)):
        _shards(submission, draw, count, _devices(number))
        _compare(submission, draw, count, _devices(number))


def test_gradients_are_added(submission, draw, gpu):
    """Gradients are added on the first device."""
    model, data, devices = _model(draw), _data(draw, 5), _devices(3)
    _, _, gradients = _plain(model, *data)
    parameters = list(model.parameters())
    expected = {}
    for name, parameter in model.named_parameters():
        parameter.grad = draw.randn(*parameter.shape, dtype=torch.float64).to("cuda")
        expected[name] = parameter.grad + gradients[name]
    _step(submission, model, data, devices)
    case = ("with gradients already there", "已有梯度时")
    _gradients(model, expected, case, ("add to .grad, replace nothing", "累加到 .grad，不要替换"))
    same = all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    claims.that(
        same and all(p.device == devices[0] and p.is_leaf for p in parameters),
        ("the parameters are the same objects on the first device", "参数还是原来的对象，在第一块设备上"),
        ("others, or elsewhere", "换了对象或设备"),
    )


def test_several_steps(submission, draw, gpu):
    """Each step uses the current parameters and buffers."""
    model, devices = _model(draw), _devices(2)
    for step in range(1, 4):
        data = _data(draw, 5)
        loss, outputs, gradients = _plain(model, *data)
        for parameter in model.parameters():
            parameter.grad = None
        came, came_outputs = _step(submission, model, data, devices)
        case = (f"step {step}", f"第 {step} 步")
        look = (
            "replicas must be made anew from the current parameters and buffers",
            "副本要用当前的参数和 buffer 重新生成",
        )
        claims.close(
            came_outputs, outputs, (f"{case[0]}: outputs", f"{case[1]}：outputs"), rtol=1e-9, look=look
        )
        claims.close(came, loss, (f"{case[0]}: loss", f"{case[1]}：loss"), rtol=1e-9, look=look)
        _gradients(model, gradients, case, look)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter -= 0.5 * parameter.grad
            model.shift += draw.randn(*model.shift.shape, dtype=torch.float64).to(model.shift.device)


def test_other_first_device(submission, draw, gpu):
    """The first device need not be device 0."""
    for order in ([2, 1], [1, 2], [0, 2], [1, 2, 0], [2]):
        devices = [torch.device("cuda", i) for i in order]
        _compare(submission, draw, 5, devices)
        _shards(submission, draw, 5, devices)
        claims.same(torch.cuda.current_device(), 0, ("the current device afterwards", "之后的当前设备"))


def test_nothing_stays(submission, draw, gpu):
    """Nothing stays on the other devices."""
    model, data, devices = _model(draw), _data(draw, 7), _devices(3)
    gc.collect()
    before = [torch.cuda.memory_allocated(device) for device in devices[1:]]
    for _ in range(2):
        results = _step(submission, model, data, devices)
        del results
        gc.collect()
        for device, old in zip(devices[1:], before, strict=True):
            claims.that(
                torch.cuda.memory_allocated(device) == old,
                (
                    f"memory allocated on {device} is back to {old} bytes",
                    f"{device} 上已分配的显存回到 {old} 字节",
                ),
                f"{torch.cuda.memory_allocated(device)}",
                (
                    "replicas and their gradients must not outlive the step",
                    "副本及其梯度不能比这一步活得更久",
                ),
            )


def test_frozen(submission, draw, gpu):
    """Frozen parameters stay frozen."""
    for frozen, number in ((["first.bias"], 2), (["first.weight", "first.bias"], 3), (["second.weight"], 1)):
        _compare(submission, draw, 5, _devices(number), frozen)
