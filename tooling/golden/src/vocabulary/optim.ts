import { hostRandom } from '@seq/testing/golden';
import type { Arrays, Recipe } from '../case-writer.js';

interface Settings {
  readonly kind: 'AdamW' | 'Adam' | 'SGD';
  readonly lr: number;
  readonly betas?: readonly [number, number];
  readonly eps?: number;
  readonly weight_decay?: number;
  readonly amsgrad?: boolean;
  readonly maximize?: boolean;
  readonly momentum?: number;
  readonly dampening?: number;
  readonly nesterov?: boolean;
  readonly clip_grad_norm?: number;
  readonly clip_grad_value?: number;
  readonly schedule?: 'cosine' | 'constant';
  readonly T_max?: number;
  readonly eta_min?: number;
}

function run({ 'in.p0': p0, 'in.grads': grads }: Arrays, o: Settings): Arrays {
  const n = p0.data.length;
  const S = grads.shape[0];
  const p = Float64Array.from(p0.data);
  const [m, v, top, buffer] = [0, 1, 2, 3].map(() => new Float64Array(n)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const [b1, b2] = o.betas ?? [0.9, 0.999];
  const decay = o.weight_decay ?? (o.kind === 'AdamW' ? 0.01 : 0);
  const history = { p: new Float64Array(S * n), lr: new Float64Array(S), norm: new Float64Array(S) };
  for (let s = 0; s < S; s++) {
    const floor = o.eta_min ?? 0;
    const lr =
      o.schedule === 'cosine'
        ? floor + ((o.lr - floor) * (1 + Math.cos((Math.PI * s) / o.T_max!))) / 2
        : o.lr;
    let g = Float64Array.from(grads.data.subarray(s * n, (s + 1) * n));
    const norm = Math.sqrt(g.reduce((a, x) => a + x * x, 0));
    if (o.clip_grad_norm) g = g.map((x) => x * Math.min(1, o.clip_grad_norm! / (norm + 1e-6)));
    if (o.clip_grad_value) g = g.map((x) => Math.max(-o.clip_grad_value!, Math.min(o.clip_grad_value!, x)));
    for (let i = 0; i < n; i++) {
      let d = o.maximize ? -g[i] : g[i];
      if (o.kind === 'SGD') {
        d += decay * p[i];
        if (o.momentum) {
          buffer[i] = s === 0 ? d : o.momentum * buffer[i] + (1 - (o.dampening ?? 0)) * d;
          d = o.nesterov ? d + o.momentum * buffer[i] : buffer[i];
        }
        p[i] -= lr * d;
        continue;
      }
      if (o.kind === 'AdamW') p[i] *= 1 - lr * decay;
      else d += decay * p[i];
      m[i] = b1 * m[i] + (1 - b1) * d;
      v[i] = b2 * v[i] + (1 - b2) * d * d;
      top[i] = Math.max(top[i], v[i]);
      const second = (o.amsgrad ? top[i] : v[i]) / (1 - b2 ** (s + 1));
      p[i] -= (lr * (m[i] / (1 - b1 ** (s + 1)))) / (Math.sqrt(second) + (o.eps ?? 1e-8));
    }
    history.p.set(p, s * n);
    history.lr[s] = lr;
    history.norm[s] = norm;
  }
  const vector = (data: Float64Array): Arrays[string] => ({ shape: [n], data });
  return {
    'out.p': { shape: [S, n], data: history.p },
    'out.lr': { shape: [S], data: history.lr },
    ...(o.clip_grad_norm ? { 'out.grad_norm': { shape: [S], data: history.norm } } : {}),
    ...(o.kind === 'SGD'
      ? o.momentum
        ? { 'out.momentum_buffer': vector(buffer) }
        : {}
      : {
          'out.exp_avg': vector(m),
          'out.exp_avg_sq': vector(v),
          ...(o.amsgrad ? { 'out.max_exp_avg_sq': vector(top) } : {}),
        }),
  };
}

function recipe(name: string, options: Settings): Recipe {
  const random = hostRandom(60);
  const grads = random.normal([9, 4]);
  // Gradients that shrink show whether the largest second moment is kept.
  grads.data.forEach((g, i) => (grads.data[i] = Math.fround(g / (1 + Math.floor(i / 4)))));
  return {
    family: 'optim',
    case: name,
    options: { ...options },
    inputs: { 'in.p0': random.normal([4]), 'in.grads': grads },
    loss: [],
    compute: (a) => run(a, options),
  };
}

export const optimCases: readonly Recipe[] = [
  recipe('adam_decay', { kind: 'Adam', lr: 0.05, weight_decay: 0.1 }),
  recipe('adam_amsgrad', { kind: 'Adam', lr: 0.05, amsgrad: true, betas: [0.5, 0.6], eps: 1e-3 }),
  recipe('adamw_amsgrad_climbs', {
    kind: 'AdamW',
    lr: 0.05,
    amsgrad: true,
    maximize: true,
    betas: [0.9, 0.7],
  }),
  recipe('sgd_plain', { kind: 'SGD', lr: 0.1 }),
  recipe('sgd_dampening', { kind: 'SGD', lr: 0.1, momentum: 0.8, dampening: 0.3, weight_decay: 0.02 }),
  recipe('sgd_climbs', { kind: 'SGD', lr: 0.1, momentum: 0.8, nesterov: true, maximize: true }),
  recipe('clip_value', { kind: 'SGD', lr: 0.1, clip_grad_value: 0.2 }),
  recipe('cosine_period', { kind: 'AdamW', lr: 0.02, schedule: 'cosine', T_max: 4, eta_min: 0.005 }),
  recipe('clip_norm_sgd', { kind: 'SGD', lr: 0.1, clip_grad_norm: 0.5, schedule: 'constant' }),
];
