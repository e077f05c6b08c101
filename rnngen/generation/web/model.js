// A model of rnngen in plain JavaScript: weights and n-gram, filters, and the draws of numpy's default_rng.
// The steps are those of the NumPy implementation; sums are of doubles, so a logit may differ in its sixth digit.

function tensor({shape, type, data}) {
  const bytes = Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
  return {shape, data: new {f4: Float32Array, i4: Int32Array, f8: Float64Array}[type](bytes.buffer)};
}

function product({shape: [rows, columns], data}, x) {
  const made = new Float64Array(rows);
  for (let row = 0, at = 0; row < rows; row++) {
    let sum = 0;
    for (let column = 0; column < columns; column++, at++) sum += data[at] * x[column];
    made[row] = sum;
  }
  return made;
}

function normalized(values, gain, bias) {
  let mean = 0, square = 0;
  for (const value of values) mean += value / values.length;
  for (const value of values) square += (value - mean) ** 2 / values.length;
  const scale = 1 / Math.sqrt(square + 1e-5);
  return values.map((value, at) => (value - mean) * scale * gain[at] + bias[at]);
}

const sigmoid = (a) => 1 / (1 + Math.exp(-a));

// numpy.random.default_rng([seed, number]).random(): SeedSequence and PCG64 (O'Neill 2014), XSL-RR.
function uniforms(...entropy) {
  const words = entropy.flatMap((value) => {
    const found = [];
    for (let left = BigInt(value); found.length === 0 || left > 0n; left >>= 32n) {
      found.push(Number(left & 0xffffffffn));
    }
    return found;
  });
  let constant = 0x43b0d7e5;
  const hashed = (value) => {
    value = (value ^ constant) >>> 0;
    constant = Math.imul(constant, 0x931e8875) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    return (value ^ (value >>> 16)) >>> 0;
  };
  const mixed = (x, y) => {
    const made = (Math.imul(0xca01f9dd, x) - Math.imul(0x4973f715, y)) >>> 0;
    return (made ^ (made >>> 16)) >>> 0;
  };
  const pool = [0, 1, 2, 3].map((at) => hashed(words[at] ?? 0));
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mixed(pool[to], hashed(pool[from]));
  }
  for (const word of words.slice(4)) {
    for (let to = 0; to < 4; to++) pool[to] = mixed(pool[to], hashed(word));
  }
  constant = 0x8b51f9dd;
  const state32 = Array.from({length: 8}, (_, at) => {
    let value = (pool[at % 4] ^ constant) >>> 0;
    constant = Math.imul(constant, 0x58f38ded) >>> 0;
    value = Math.imul(value, constant) >>> 0;
    return BigInt((value ^ (value >>> 16)) >>> 0);
  });
  const [a, b, c, d] = [0, 2, 4, 6].map((at) => state32[at] | (state32[at + 1] << 32n));
  const all = (1n << 128n) - 1n, multiplier = 0x2360ed051fc65da44385df649fccf645n;
  const increment = (((c << 64n) | d) << 1n | 1n) & all;
  let state = (increment + ((a << 64n) | b)) & all;
  const advance = () => { state = (state * multiplier + increment) & all; };
  advance();
  return () => {
    advance();
    const turn = state >> 122n, folded = ((state >> 64n) ^ state) & 0xffffffffffffffffn;
    const rotated = ((folded >> turn) | (folded << (64n - turn))) & 0xffffffffffffffffn;
    return Number(rotated >> 11n) * 2 ** -53;
  };
}

// The n-gram of the training text: Witten-Bell, every context a node.
class NGram {
  constructor({vocabulary, order, tokens, counts, successors, weights}) {
    Object.assign(this, {vocabulary, order, weights: weights.data});
    this.tokens = tokens.data;
    const nodes = successors.data.length;
    this.none = nodes;
    this.starts = new Int32Array(nodes + 1);
    this.totals = new Float64Array(nodes + 1);
    this.lower = new Float64Array(nodes + 1).fill(1);
    this.shares = new Float64Array(this.tokens.length);
    this.children = new Map();
    for (let node = 0, edge = 0; node < nodes; node++) {
      this.starts[node] = edge;
      const end = edge + successors.data[node];
      let total = 0, kinds = 0;
      for (let at = edge; at < end; at++) {
        total += counts.data[at];
        kinds += counts.data[at] > 0;
        if (successors.data[at + 1]) this.children.set(node * vocabulary + this.tokens[at], at + 1);
      }
      for (; edge < end; edge++) this.shares[edge] = counts.data[edge] / Math.max(total + kinds, 1);
      this.totals[node] = total;
      if (total > 0) this.lower[node] = kinds / (total + kinds);
    }
    this.starts[nodes] = this.tokens.length;
    this.widths = (node) => node < nodes ? successors.data[node] : 0;
    this.root = new Float64Array(vocabulary).fill(this.lower[0] / vocabulary);
    for (let edge = 0; edge < this.widths(0); edge++) this.root[this.tokens[edge]] += this.shares[edge];
  }

  start() {
    return [0, ...Array(this.order - 1).fill(this.none)];
  }

  advance(nodes, token) {
    const found = nodes.slice(0, -1).map((node) => this.children.get(node * this.vocabulary + token) ?? this.none);
    return [0, ...found];
  }

  mixed(logits, nodes) {
    const probabilities = new Float64Array(this.vocabulary);
    let left = 1;
    for (let at = nodes.length - 1; at > 0; at--) {
      const node = nodes[at], first = this.starts[node], end = first + this.widths(node);
      for (let edge = first; edge < end; edge++) probabilities[this.tokens[edge]] += this.shares[edge] * left;
      left *= this.lower[node];
    }
    const length = nodes.slice(1).filter((node) => node !== this.none).length;
    const features = [1, length / 8, Math.log1p(this.totals[nodes[length]]) / 8];
    const exponent = (row) =>
      Math.max(features.reduce((sum, value, at) => sum + value * this.weights[row * 3 + at], 0), 0.01);
    const [network, ngram] = [Math.fround(exponent(0)), Math.fround(exponent(1))];
    return logits.map((logit, token) =>
      network * logit + ngram * Math.log(Math.fround(probabilities[token] + left * this.root[token])));
  }
}

class Model {
  constructor(data, cell) {
    const open = (group) => Object.fromEntries(Object.entries(group).map(([key, one]) => [key, tensor(one)]));
    Object.assign(this, data);
    this.embedding = tensor(data.embedding);
    this.matrix = tensor(data.matrix);
    this.bias = tensor(data.bias).data;
    this.layers = data.layers.map((weights) => cell(open(weights), data.options));
    this.initial = data.initial.map((one) => Float64Array.from(tensor(one).data));
    this.pieces = data.pieces.map((piece) => Uint8Array.from(atob(piece), (char) => char.charCodeAt(0)));
    this.ngram = data.ngram && new NGram({...data.ngram, ...open(data.ngram.arrays)});
    this.ids = new Map(data.characters);
  }

  start() {
    const states = this.layers.map((layer) => layer.state());
    let at = 0;
    const learnt = states.map((arrays) => arrays.map((array) => this.initial[at++] ?? array));
    return {states: learnt, nodes: this.ngram?.start()};
  }

  step(token, {states, nodes}) {
    const width = this.embedding.shape[1];
    let x = this.embedding.data.subarray(token * width, (token + 1) * width);
    const after = this.layers.map((layer, at) => {
      const [y, state] = layer.step(x, states[at]);
      x = y;
      return state;
    });
    const made = product(this.matrix, x).map((value, at) => value + this.bias[at]);
    if (!this.ngram) return [made, {states: after}];
    const next = this.ngram.advance(nodes, token);
    return [this.ngram.mixed(made, next), {states: after, nodes: next}];
  }

  encode(text) {
    const spelt = this.form ? text.normalize(this.form) : text;
    return [...spelt].flatMap((char) => this.ids.get(char) ?? [...new TextEncoder().encode(char)]);
  }

  // Tokens one after another, as `rnngen sample` draws them with these filters.
  * tokens(prompt, {seed, length, temperature, topK, topP}) {
    const given = this.encode(prompt);
    const read = this.ends ? [this.end, ...given] : given.length ? given : this.begin;
    const random = uniforms(seed, 0);
    let state = this.start(), logits;
    for (const token of read) [logits, state] = this.step(token, state);
    for (let made = 0; made < length; made++) {
      const token = drawn(filtered(logits, this.forbidden, temperature, topK, topP), random());
      if (token === this.end) return;
      yield token;
      [logits, state] = this.step(token, state);
    }
  }

  * text(prompt, options) {
    const decoder = new TextDecoder("utf-8");
    for (const token of this.tokens(prompt, options)) yield decoder.decode(this.pieces[token], {stream: true});
    yield decoder.decode();
  }
}

function filtered(logits, forbidden, temperature, topK, topP) {
  let shaped = Float64Array.from(logits);
  for (const token of forbidden) shaped[token] = -Infinity;
  if (temperature > 0) shaped = shaped.map((logit) => logit * Math.fround(1 / temperature));
  const order = [...shaped.keys()].sort((a, b) => shaped[b] - shaped[a] || a - b);
  let kept = temperature > 0 ? (topK || order.length) : 1;
  if (topP < 1) {
    const weights = order.slice(0, kept).map((token) => Math.exp(shaped[token] - shaped[order[0]]));
    const whole = weights.reduce((sum, weight) => sum + weight, 0);
    let before = 0, count = 0;
    for (const weight of weights) {
      if (before >= topP * whole) break;
      before += weight;
      count++;
    }
    kept = Math.max(count, 1);
  }
  for (const token of order.slice(kept)) shaped[token] = -Infinity;
  return shaped;
}

function drawn(logits, number) {
  const best = logits.reduce((most, logit) => Math.max(most, logit), -Infinity);
  const totals = new Float64Array(logits.length);
  let total = 0;
  logits.forEach((logit, token) => { totals[token] = total += Math.fround(Math.exp(Math.fround(logit - best))); });
  return totals.findIndex((sum) => sum > number * total);
}
