"""Right answers to `ps4_torch`."""

import torch


class RecomputedInBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        ctx.save_for_backward(x, weight)
        ctx.eps = eps
        x_hat = (x - x.mean(0)) / torch.sqrt(x.var(0, correction=0) + eps)
        return weight * x_hat + bias

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        n = len(x)
        std = torch.sqrt(x.var(0, correction=0) + ctx.eps)
        x_hat = (x - x.mean(0)) / std
        dweight, dbias = (dout * x_hat).sum(0), dout.sum(0)
        dx = weight / std * (dout - dbias / n - x_hat * dweight / n)
        return dx, dweight, dbias, None


class SetupContextAndEinsum(torch.autograd.Function):
    @staticmethod
    def forward(x, weight, bias, eps):
        m = x.shape[0]
        centered = x - torch.einsum("nc->c", x) / m
        var = torch.einsum("nc,nc->c", centered, centered) / m
        return torch.addcmul(bias, weight, centered * (var + eps) ** -0.5)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, _, ctx.eps = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx, grad_output):
        x, weight = ctx.saved_tensors
        m = x.shape[0]
        centered = x - x.mean(dim=0, keepdim=True)
        var = (centered * centered).mean(dim=0, keepdim=True)
        inv = (var + ctx.eps) ** -0.5
        dx_hat = grad_output * weight
        dvar = (dx_hat * centered).sum(0, keepdim=True) * -0.5 * inv**3
        dmean = -(dx_hat * inv).sum(0, keepdim=True)
        dx = dx_hat * inv + 2 / m * dvar * centered + dmean / m
        dweight = torch.einsum("nc,nc->c", grad_output, centered * inv)
        return dx, dweight, torch.einsum("nc->c", grad_output), None


class OnlyWhatIsNeeded(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inp, gamma, beta, eps):
        var, mean = torch.var_mean(inp, dim=0, unbiased=False)
        ctx.save_for_backward(inp, gamma)
        ctx.eps = eps
        out = inp - mean
        out.div_((var + eps).sqrt())
        return out.mul_(gamma).add_(beta)

    @staticmethod
    def backward(ctx, g):
        inp, gamma = ctx.saved_tensors
        eps = ctx.eps
        grads = [None, None, None, None]
        var, mean = torch.var_mean(inp, dim=0, unbiased=False)
        rstd = torch.rsqrt(var + eps)
        x_hat = (inp - mean) * rstd
        if ctx.needs_input_grad[0]:
            dx_hat = g * gamma
            grads[0] = rstd * (dx_hat - dx_hat.mean(0) - x_hat * (dx_hat * x_hat).mean(0))
        if ctx.needs_input_grad[1]:
            grads[1] = torch.sum(g * x_hat, 0)
        if ctx.needs_input_grad[2]:
            grads[2] = torch.sum(g, 0)
        return tuple(grads)


def _plain(x, weight, bias, eps):
    columns = []
    for column, w, b in zip(x.unbind(1), weight, bias, strict=True):
        centered = column - column.sum() / len(column)
        columns.append(w * centered / torch.sqrt((centered * centered).sum() / len(column) + eps) + b)
    return torch.stack(columns, 1)


class ColumnByColumn(torch.autograd.Function):
    """Backward lets autograd run over the formula once more, which may be recorded."""

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        ctx.save_for_backward(x, weight, bias)
        ctx.eps = eps
        return _plain(x, weight, bias, eps)

    @staticmethod
    def backward(ctx, dout):
        with torch.enable_grad():
            args = [
                saved if saved.requires_grad else saved.detach().requires_grad_()
                for saved in ctx.saved_tensors
            ]
            y = _plain(*args, ctx.eps)
            return *torch.autograd.grad(y, args, dout, create_graph=True), None


class InFloat64(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        ctx.save_for_backward(x, weight)
        ctx.eps = eps
        wide = x.double()
        wide = wide - wide.mean(0)
        return (wide / (wide.square().mean(0) + eps).sqrt() * weight + bias).to(x.dtype)

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        wide, g = x.double(), dout.double()
        std = (wide.var(0, unbiased=False) + ctx.eps).sqrt()
        x_hat = (wide - wide.mean(0)) / std

        def without(direction):
            return direction * (g * direction).mean(0)

        dx = weight * (g - without(torch.ones_like(g)) - without(x_hat)) / std
        return dx.to(x.dtype), (g * x_hat).sum(0).to(x.dtype), g.sum(0).to(x.dtype), None


class _Centre(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x - x.mean(0)

    @staticmethod
    def backward(ctx, dout):
        return _Centre.apply(dout)


class OfSmallerFunctions(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        ctx.save_for_backward(x, weight)
        ctx.eps = eps
        centered = _Centre.apply(x)
        return centered / torch.sqrt(torch.mean(centered**2, 0) + eps) * weight + bias

    @staticmethod
    def backward(ctx, dout):
        x, weight = ctx.saved_tensors
        centered = _Centre.apply(x)
        std = torch.sqrt(torch.mean(centered**2, 0) + ctx.eps)
        x_hat = centered / std
        dx = weight / std * (_Centre.apply(dout) - x_hat * torch.mean(dout * x_hat, 0))
        return dx, (dout * x_hat).sum(0), dout.sum(0), None


FUNCTIONS = (
    RecomputedInBackward,
    SetupContextAndEinsum,
    OnlyWhatIsNeeded,
    ColumnByColumn,
    InFloat64,
    OfSmallerFunctions,
)


def gradcheck_twice(function, x, weight, bias):
    args = [t.double().requires_grad_() for t in (x, weight, bias)]
    return (
        torch.autograd.gradcheck(function, args, raise_exception=False),
        torch.autograd.gradgradcheck(function, args, raise_exception=False),
    )


def gradcheck_with_exceptions(function, x, weight, bias):
    args = tuple(t.detach().clone().to(torch.float64).requires_grad_(True) for t in (x, weight, bias))
    verdicts = []
    for test in (torch.autograd.gradcheck, torch.autograd.gradgradcheck):
        try:
            test(function, args)
            verdicts.append(True)
        except RuntimeError:
            verdicts.append(False)
    return verdicts


def gradcheck_by_keyword(function, x, weight, bias):
    from torch.autograd import gradcheck, gradgradcheck

    inputs = {"inputs": tuple(t.double().requires_grad_() for t in (x, weight, bias))}
    settings = inputs | {"eps": 1e-6, "atol": 1e-5, "rtol": 1e-3, "raise_exception": False}
    return int(gradcheck(function, **settings)), int(gradgradcheck(function, **settings))


def gradcheck_of_random_input(function, x, weight, bias):
    torch.manual_seed(0)
    args = [torch.randn(t.shape, dtype=torch.double, requires_grad=True) for t in (x, weight, bias)]
    first = torch.autograd.gradcheck(lambda *inputs: function(*inputs), args, raise_exception=False)
    second = torch.autograd.gradgradcheck(lambda *inputs: function(*inputs), args, raise_exception=False)
    return torch.tensor(first), torch.tensor(second)


def gradcheck_by_finite_differences(function, x, weight, bias):
    """Without torch's checks: one random direction a test."""
    args = [t.double().requires_grad_() for t in (x, weight, bias)]
    generator = torch.Generator().manual_seed(1)

    def random_like(tensors):
        return [torch.randn(t.shape, dtype=t.dtype, generator=generator) for t in tensors]

    def slope(f, points, step=1e-5):
        along = random_like(points)
        moved = [
            [(p + s * a).detach().requires_grad_() for p, a in zip(points, along, strict=True)]
            for s in (step, -step)
        ]
        numeric = (f(moved[0]) - f(moved[1])) / (2 * step)
        found = torch.autograd.grad(f(points), points, allow_unused=True, materialize_grads=True)
        return abs(float(numeric - sum((g * a).sum() for g, a in zip(found, along, strict=True)))) < 1e-4

    (dout,) = random_like([args[0]])
    back = random_like(args)

    def loss(points):
        return (function(*points) * dout).sum()

    def slope_along_back(points):
        *inputs, cotangent = points
        found = torch.autograd.grad(function(*inputs), inputs, cotangent, create_graph=True)
        return sum((g * b).sum() for g, b in zip(found, back, strict=True))

    return slope(loss, args), slope(slope_along_back, [*args, dout.requires_grad_()])


class ModuleOverFunction(torch.nn.Module):
    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.weight = torch.nn.Parameter(torch.ones(num_features))
        self.bias = torch.nn.Parameter(torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, x):
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        if not self.training:
            y = self.weight * (wide - self.running_mean) / torch.sqrt(self.running_var + self.eps) + self.bias
            return y.to(x.dtype)
        with torch.no_grad():
            self.num_batches_tracked += 1
            if len(x) > 1:
                self.running_mean += self.momentum * (wide.mean(0) - self.running_mean)
                self.running_var += self.momentum * (wide.var(0) - self.running_var)
        return RecomputedInBackward.apply(wide, self.weight, self.bias, self.eps).to(x.dtype)


class ModuleOfPlainOperations(torch.nn.Module):
    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, num_features, eps=1e-5, momentum=0.1):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(num_features))
        self.bias = torch.nn.Parameter(torch.empty(num_features))
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        for name, value in (("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((num_features,), value))
        self.register_buffer("num_batches_tracked", torch.zeros((), dtype=torch.long))
        torch.nn.init.ones_(self.weight)
        torch.nn.init.zeros_(self.bias)

    def _move(self, mean, var, n):
        self.num_batches_tracked.add_(1)
        if n > 1:
            self.running_mean.mul_(1 - self.momentum).add_(mean.detach(), alpha=self.momentum)
            self.running_var.lerp_(var.detach() * n / (n - 1), self.momentum)

    def forward(self, x):
        dtype = x.dtype
        x = x.to(torch.promote_types(dtype, torch.float32))
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean = x.mean(dim=0)
            var = ((x - mean) ** 2).mean(dim=0)
            self._move(mean, var, x.shape[0])
        return ((x - mean) * torch.rsqrt(var + self.eps) * self.weight + self.bias).to(dtype)


class ModuleThatReplacesItsBuffers(ModuleOfPlainOperations):
    def _move(self, mean, var, n):
        alpha = self.momentum if n > 1 else 0.0
        unbiased = var.data * (n / max(n - 1, 1))
        self.num_batches_tracked = self.num_batches_tracked + 1
        self.running_mean = (1 - alpha) * self.running_mean + alpha * mean.data
        self.running_var = (1 - alpha) * self.running_var + alpha * unbiased


class ModuleInsideAutocast(ModuleOverFunction):
    def forward(self, x):
        with torch.autocast(device_type=x.device.type, enabled=False):
            return super().forward(x)


class ModuleInFloat64(ModuleOfPlainOperations):
    def forward(self, x):
        wide = x.double()
        if self.training:
            var, mean = torch.var_mean(wide, 0, correction=0)
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                n = len(x)
                if n >= 2:
                    for buffer, new in ((self.running_mean, mean), (self.running_var, var * n / (n - 1))):
                        buffer.copy_(buffer * (1 - self.momentum) + new * self.momentum)
        else:
            mean, var = self.running_mean.double(), self.running_var.double()
        y = torch.div(wide - mean, torch.sqrt(var + self.eps))
        return torch.addcmul(self.bias.double(), y, self.weight.double()).type_as(x)


class ModuleWithFactoryArguments(torch.nn.Module):
    """Accepts more than is asked, and scales with a Linear-like product."""

    def __init__(self, num_features, eps=1e-5, momentum=0.1, device=None, dtype=None):
        super().__init__()
        factory = {"device": device, "dtype": dtype}
        self.eps, self.momentum = eps, momentum
        self.register_parameter("weight", torch.nn.Parameter(torch.ones(num_features, **factory)))
        self.register_parameter("bias", torch.nn.Parameter(torch.zeros(num_features, **factory)))
        self.register_buffer("running_mean", torch.zeros(num_features, **factory))
        self.register_buffer("running_var", torch.ones(num_features, **factory))
        self.register_buffer("num_batches_tracked", torch.tensor(0, dtype=torch.long, device=device))

    def extra_repr(self):
        return f"{len(self.weight)}, eps={self.eps}, momentum={self.momentum}"

    def forward(self, input):
        x = input if input.dtype == torch.float64 else input.float()
        centered = x - x.mean(0, keepdim=True) if self.training else x - self.running_mean
        if self.training:
            squares = (centered * centered).sum(0)
            var = squares / x.size(0)
            self.num_batches_tracked += 1
            if x.size(0) != 1:
                with torch.no_grad():
                    a = self.momentum
                    self.running_mean[:] = (1 - a) * self.running_mean + a * x.mean(0)
                    self.running_var[:] = (1 - a) * self.running_var + a * squares / (x.size(0) - 1)
        else:
            var = self.running_var
        return (centered / (var + self.eps).pow(0.5)).mul(self.weight).add(self.bias).to(input.dtype)


MODULES = (
    ModuleOverFunction,
    ModuleOfPlainOperations,
    ModuleThatReplacesItsBuffers,
    ModuleInsideAutocast,
    ModuleInFloat64,
    ModuleWithFactoryArguments,
)


RIGHT_ANSWERS = {
    "batchnorm_module_state": MODULES,
    "batchnorm_module_training": MODULES,
    "passes_gradcheck": (
        gradcheck_twice,
        gradcheck_with_exceptions,
        gradcheck_by_keyword,
        gradcheck_of_random_input,
        gradcheck_by_finite_differences,
    ),
    "batchnorm_function_forward": FUNCTIONS,
    "batchnorm_function_backward": FUNCTIONS,
    "batchnorm_function_twice": FUNCTIONS,
}
