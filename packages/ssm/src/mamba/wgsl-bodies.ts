// The bodies of the selective scan's passes in WGSL; `wgsl.ts` makes shaders of them.

/** What the texts depend on. */
export interface TextShape {
  readonly N: number;
  readonly L: number;
  readonly softplus: boolean;
  readonly D: boolean;
  readonly bias: boolean;
  readonly z: boolean;
  readonly varB: boolean;
  readonly varC: boolean;
}

const each = (body: string): string => `for (var n = 0u; n < N; n++) { ${body} }`;

/** h after position t; `sum` is C h + D u. */
function advance({ D }: TextShape, keep: string = ''): string {
  return `let i = (b * p.T + t) * p.C + c;
    let x = u(i);
    let dt = step_of(raw_of(i, c));
    let pb = b_at(b, t, c);
    let pc = c_at(b, t, c);
    var sum = ${D ? 'small(p.oD + c) * x' : '0.0'};
    ${each(`${keep} h[n] = exp(dt * rate[n]) * h[n] + dt * x * small(pb + n); sum += small(pc + n) * h[n];`)}`;
}

const rates = `var rate: array<f32, N>;
  ${each('rate[n] = small(c * N + n);')}`;

const output = (z: boolean): string =>
  z ? 'let g = z(i); set_y(i, sum * g * m_sigmoid(g));' : 'set_y(i, sum);';

/** Bodies of the passes by name; an invocation is what `count` counts. */
export const bodies: Readonly<Record<string, (s: TextShape) => string>> = {
  /** A channel of a row, all positions: also keeps the state at the beginning of each chunk. */
  rows: (s) => `let c = linear % p.C;
  let b = linear / p.C;
  ${rates}
  var h: array<f32, N>;
  ${each('h[n] = h0(linear * N + n);')}
  for (var k = 0u; k < p.K; k++) {
    let at = ((b * p.K + k) * p.C + c) * N;
    ${each('set_starts(at + n, h[n]);')}
    for (var t = k * ${s.L}u; t < min(p.T, (k + 1u) * ${s.L}u); t++) {
    ${advance(s)}
    ${output(s.z)}
    }
  }
  ${each('set_last(linear * N + n, h[n]);')}`,

  /** A channel in a chunk, from nothing: its state at the end and the sum of its step sizes. */
  sums: (s) => `let c = linear % p.C;
  let k = linear / p.C % p.K;
  let b = linear / (p.C * p.K);
  ${rates}
  var h: array<f32, N>;
  var total = 0.0;
  for (var t = k * ${s.L}u; t < min(p.T, (k + 1u) * ${s.L}u); t++) {
    let i = (b * p.T + t) * p.C + c;
    let dt = step_of(raw_of(i, c));
    let x = u(i);
    let pb = b_at(b, t, c);
    total += dt;
    ${each('h[n] = exp(dt * rate[n]) * h[n] + dt * x * small(pb + n);')}
  }
  ${each('set_work(linear * N + n, h[n]);')}
  set_work(p.oSteps + linear, total);`,

  /** One state of a channel of a row over all chunks. */
  carries: () => `let n = linear % N;
  let c = linear / N % p.C;
  let b = linear / (N * p.C);
  let rate = small(c * N + n);
  var h = h0(linear);
  for (var k = 0u; k < p.K; k++) {
    let at = (b * p.K + k) * p.C + c;
    set_starts(at * N + n, h);
    h = exp(rate * work(p.oSteps + at)) * h + work(at * N + n);
  }
  set_last(linear, h);`,

  /** A channel in a chunk, from the state at its beginning. */
  chunks: (s) => `let c = linear % p.C;
  let k = linear / p.C % p.K;
  let b = linear / (p.C * p.K);
  ${rates}
  var h: array<f32, N>;
  ${each('h[n] = starts(linear * N + n);')}
  for (var t = k * ${s.L}u; t < min(p.T, (k + 1u) * ${s.L}u); t++) {
    ${advance(s)}
    ${output(s.z)}
  }`,

  /** One element: the gradient behind the gate, kept in du, and its share of dz, kept there. */
  gate: () => `let g = z(linear);
  let s = m_sigmoid(g);
  set_du(linear, dy(linear) * g * s);
  set_dz(linear, dy(linear) * s * (1.0 + g * (1.0 - s)));`,

  /** As sums, against time: what a chunk hands to the one before it when nothing comes from behind. */
  backSums: (s) => `let c = linear % p.C;
  let k = linear / p.C % p.K;
  let b = linear / (p.C * p.K);
  ${rates}
  var lambda: array<f32, N>;
  var total = 0.0;
  for (var t = min(p.T, (k + 1u) * ${s.L}u); t > k * ${s.L}u; ) {
    t--;
    let i = (b * p.T + t) * p.C + c;
    let dt = step_of(raw_of(i, c));
    let g = ${s.z ? 'du(i)' : 'dy(i)'};
    let pc = c_at(b, t, c);
    total += dt;
    ${each('lambda[n] = exp(dt * rate[n]) * (lambda[n] + small(pc + n) * g);')}
  }
  ${each('set_work(linear * N + n, lambda[n]);')}
  set_work(p.oSteps + linear, total);`,

  /** As carries, against time: leaves in \`work\` what comes to each chunk from behind. */
  backCarries: () => `let n = linear % N;
  let c = linear / N % p.C;
  let b = linear / (N * p.C);
  let rate = small(c * N + n);
  var lambda = dlast(linear);
  for (var k = p.K; k > 0u; ) {
    k--;
    let at = (b * p.K + k) * p.C + c;
    let own = work(at * N + n);
    set_work(at * N + n, lambda);
    lambda = exp(rate * work(p.oSteps + at)) * lambda + own;
  }
  set_dh0(linear, lambda);`,

  /**
   * A block of channels in a chunk, one after the other: states forward into a private array, then all gradients
   * against time. Sums over channels collect in rows of \`work\` that belong to this invocation alone.
   */
  gradients: (s) => {
    const slots = channelSlots(s);
    const sum = (at: string, value: string): string =>
      `{ let j = ${at}; set_work(j, select(work(j), 0.0, c == first) + ${value}); }`;
    return `let block = linear % p.blocks;
  let k = linear / p.blocks % p.K;
  let b = linear / (p.blocks * p.K);
  let width = p.C / p.G;
  let within = block % p.perGroup * p.R;
  let first = block / p.perGroup * width + within;
  let begin = k * ${s.L}u;
  let end = min(p.T, begin + ${s.L}u);
  for (var c = first; c < first + min(p.R, width - within); c++) {
  let channel = (b * p.K + k) * p.C + c;
  ${rates}
  var h: array<f32, N>;
  var lambda: array<f32, N>;
  var dA: array<f32, N>;
  ${s.varB ? '' : 'var dB: array<f32, N>;'}
  ${s.varC ? '' : 'var dC: array<f32, N>;'}
  var before: array<f32, ${s.L * s.N}>;
  ${each(`h[n] = starts(channel * N + n); lambda[n] = work(channel * N + n); dA[n] = 0.0; ${s.varB ? '' : 'dB[n] = 0.0;'} ${s.varC ? '' : 'dC[n] = 0.0;'}`)}
  for (var t = begin; t < end; t++) {
    ${advance(s, 'before[(t - begin) * N + n] = h[n];')}
    ${s.z ? 'set_dz(i, dz(i) * sum);' : ''}
  }
  var dD = 0.0;
  var dBias = 0.0;
  for (var t = end; t > begin; ) {
    t--;
    let i = (b * p.T + t) * p.C + c;
    let raw = raw_of(i, c);
    let dt = step_of(raw);
    let x = u(i);
    let g = ${s.z ? 'du(i)' : 'dy(i)'};
    let pb = b_at(b, t, c);
    let pc = c_at(b, t, c);
    let row = ((b * p.T + t) * p.blocks + block) * N;
    var dx = 0.0;
    var dstep = 0.0;
    for (var n = 0u; n < N; n++) {
      let decayed = exp(dt * rate[n]) * before[(t - begin) * N + n];
      let bn = small(pb + n);
      let l = lambda[n] + small(pc + n) * g;
      dA[n] += l * dt * decayed;
      dx += l * bn;
      dstep += l * (rate[n] * decayed + bn * x);
      ${s.varB ? sum('p.oSumB + row + n', 'l * dt * x') : 'dB[n] += l * dt * x;'}
      ${s.varC ? sum('p.oSumC + row + n', 'g * (decayed + dt * x * bn)') : 'dC[n] += g * (decayed + dt * x * bn);'}
      lambda[n] = exp(dt * rate[n]) * l;
    }
    let ddelta = ${s.softplus ? 'dstep * m_sigmoid(raw)' : 'dstep'};
    set_du(i, dt * dx${s.D ? ' + small(p.oD + c) * g' : ''});
    set_ddelta(i, ddelta);
    dD += g * x;
    dBias += ddelta;
  }
  let own = p.oChannel + channel * ${slots.all}u;
  ${each(`set_work(own + n, dA[n]); ${s.varB ? '' : `set_work(own + ${slots.B}u + n, dB[n]);`} ${s.varC ? '' : `set_work(own + ${slots.C}u + n, dC[n]);`}`)}
  set_work(own + ${slots.D}u, dD);
  set_work(own + ${slots.bias}u, dBias);
  }`;
  },
};

/** Places of the sums of one channel in one chunk: A, B and C where they are the same at all positions, D, deltaBias. */
export function channelSlots({ N, varB, varC }: Pick<TextShape, 'N' | 'varB' | 'varC'>): {
  readonly B: number;
  readonly C: number;
  readonly D: number;
  readonly bias: number;
  readonly all: number;
} {
  const C = N + (varB ? 0 : N);
  const D = C + (varC ? 0 : N);
  return { B: N, C, D, bias: D + 1, all: D + 2 };
}
