"""The cells in JavaScript, for ``rnngen export --web``: a step each, like the NumPy implementations.

A source is an expression: ``(weights, options) => ({state, step})`` with the torch layer's parameters by name
as ``{shape, data}``, ``state()`` → arrays of numbers, and ``step(x, state)`` → ``[y, state]``. It may use
``product``, ``normalized`` and ``sigmoid`` of ``rnngen/generation/web/model.js``.
"""

PROJECTIONS = """
const own = (name) => weights["rnn." + name + "_l0"];
const projected = (x, side) => {
  const made = product(own("weight_" + side), x), gain = own("gain_" + side), bias = own("bias_" + side).data;
  return gain ? normalized(made, gain.data, bias) : made.map((value, at) => value + bias[at]);
};
const zoned = (old, made, rate) => rate ? made.map((value, at) => rate * old[at] + (1 - rate) * value) : made;
"""

LSTM = f"""(weights, options) => {{
{PROJECTIONS}
const size = own("weight_hh").shape[1], zeros = () => new Float64Array(size);
return {{
  state: () => [zeros(), zeros()],
  step(x, [h, c]) {{
    const a = projected(x, "ih"), b = projected(h, "hh"), memory = zeros(), y = zeros();
    const gate = (number, at) => a[number * size + at] + b[number * size + at];
    for (let at = 0; at < size; at++) {{
      memory[at] = sigmoid(gate(1, at)) * c[at] + sigmoid(gate(0, at)) * Math.tanh(gate(2, at));
    }}
    const norm = weights["memory.weight"];
    const shown = norm ? normalized(memory, norm.data, weights["memory.bias"].data) : memory;
    for (let at = 0; at < size; at++) y[at] = sigmoid(gate(3, at)) * Math.tanh(shown[at]);
    const out = zoned(h, y, options.zoneout_h);
    return [out, [out, zoned(c, memory, options.zoneout_c)]];
  }},
}};
}}"""
"""torch's order of the gates is i, f, the candidate g, o."""

GRU = f"""(weights, options) => {{
{PROJECTIONS}
const size = own("weight_hh").shape[1];
return {{
  state: () => [new Float64Array(size)],
  step(x, [h]) {{
    const a = projected(x, "ih"), b = projected(h, "hh"), y = new Float64Array(size);
    for (let at = 0; at < size; at++) {{
      const r = sigmoid(a[at] + b[at]), z = sigmoid(a[size + at] + b[size + at]);
      const n = Math.tanh(a[2 * size + at] + r * b[2 * size + at]);
      y[at] = n + z * (h[at] - n);
    }}
    const out = zoned(h, y, options.zoneout_h);
    return [out, [out]];
  }},
}};
}}"""

RNN = f"""(weights, options) => {{
{PROJECTIONS}
const size = own("weight_hh").shape[1];
const activation = {{tanh: Math.tanh, relu: (a) => Math.max(a, 0), sigmoid}}[options.activation];
return {{
  state: () => [new Float64Array(size)],
  step(x, [h]) {{
    const a = projected(x, "ih"), b = projected(h, "hh");
    const out = zoned(h, a.map((value, at) => activation(value + b[at])), options.zoneout_h);
    return [out, [out]];
  }},
}};
}}"""
