import { jit, nn, numpy as np } from '@jax-js/jax';
import type { Prepared } from './contender.js';
import type { Item } from './items.js';

type Values = ReturnType<typeof np.array>;

/** A GRU or LSTM layer over a whole sequence, composed of the library's operations; gates in PyTorch's order. */
export function recurrentLayer({ operation, inputs }: Item): Prepared {
  const t = inputs.map(({ data, shape }) => np.array(data, { shape: [...shape] }));
  const [B, T] = inputs[0].shape;
  const H = inputs[2].shape[1];
  const gates = operation === 'gru' ? 3 : 4;
  const step = jit((g: Values, h: Values, c: Values, r: Values, bh: Values): Values[] => {
    const back = np.matmul(h.ref, np.swapaxes(r, 0, 1)).add(bh);
    if (operation === 'gru') {
      const [[xr, xz, xn], [hr, hz, hn]] = [np.split(g, 3, -1), np.split(back, 3, -1)];
      const z = nn.sigmoid(xz.add(hz));
      const n = np.tanh(xn.add(nn.sigmoid(xr.add(hr)).mul(hn)));
      return [n.ref.add(z.mul(h.sub(n))), c];
    }
    h.dispose();
    const [i, f, a, o] = np.split(g.add(back), 4, -1);
    const next = nn
      .sigmoid(f)
      .mul(c)
      .add(nn.sigmoid(i).mul(np.tanh(a)));
    return [nn.sigmoid(o).mul(np.tanh(next.ref)), next];
  });
  const project = jit((x: Values, w: Values, bi: Values): Values[] =>
    np.split(np.matmul(x, np.swapaxes(w, 0, 1)).add(bi), T, 1).map((g) => g.reshape([B, gates * H])),
  );
  const join = jit((...h: Values[]): Values => np.stack(h, 1));
  const once = (): Values => {
    const [x, w, r, bi, bh] = t.map((v) => v.ref);
    let [h, c] = [np.zeros([B, H]), np.zeros([B, H])];
    const outputs = project(x, w, bi).map((g) => {
      [h, c] = step(g, h, c, r.ref, bh.ref);
      return h.ref;
    });
    for (const v of [h, c, r, bh]) v.dispose();
    return join(...outputs);
  };
  return {
    async run() {
      const y = once();
      await y.blockUntilReady();
      y.dispose();
    },
    read: async () => (await once().data()) as Float32Array,
    dispose: () => t.forEach((v) => v.dispose()),
  };
}
