// A trained keyword spotter around one Mamba block, against what its authors' C program recorded of it.
import { linear, layerFromTorch } from '@seq/nn';
import { mamba, mambaFromTorch } from '@seq/ssm';
import type { MambaState } from '@seq/ssm';
import { compile, stack } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import { loadKernels } from '@seq/tensor/engine';
import { testDevices } from '@seq/testing';
import { expect, test } from 'vitest';
import { fetched, worst } from './data.js';

await loadKernels();

const place = 'models/mamba-kws10';
const { absent, note } = fetched(place);

// The C program's own distance from double precision is 1e-4 on the block's output, whose values run to tens, and
// 1.3e-5 on the logits.
const [blockBound, logitBound] = [2e-4, 3e-5];

function load(device: Device | null) {
  const files = fetched(place, device);
  const model = files.tensors('model.safetensors');
  const { need } = files.tensors('ref.safetensors');
  return {
    mixer: mamba({ dModel: 64 }),
    params: mambaFromTorch(model, 'mamba.'),
    first: layerFromTorch(model, 'linear_in'),
    classifier: layerFromTorch(model, 'classifier'),
    x: need('x').expandDims(0),
    want: {
      in: need('block_in').expandDims(0),
      out: need('block_out').expandDims(0),
      logits: need('logits').expandDims(0),
      state: need('final_ssm_state').expandDims(0),
    },
  };
}

for (const { kind, device } of testDevices()) {
  test.skipIf(absent || !device)(`${kind}: mamba-kws10, whole${note}`, async () => {
    const { mixer, params, first, classifier, x, want } = load(device);
    const input = linear(x, first);
    expect(await worst(input, want.in)).toBeLessThan(1e-4);
    const [y, state] = mixer.prefill(params, input, mixer.initState(1, { device: x.device }));
    expect(await worst(y, want.out)).toBeLessThan(blockBound);
    expect(await worst(state.ssm, want.state, 'relative')).toBeLessThan(1e-4);
    expect(await worst(linear(y.mean(1), classifier), want.logits)).toBeLessThan(logitBound);
  });

  test.skipIf(absent || !device)(`${kind}: mamba-kws10, frame by frame${note}`, async () => {
    const { mixer, params, first, classifier, x, want } = load(device);
    const input = linear(x, first);
    const step = compile((p: typeof params, frame: Tensor, s: MambaState) => mixer.step(p, frame, s));
    let state = mixer.initState(1, { device: x.device });
    const outputs: Tensor[] = [];
    for (let t = 0; t < x.shape[1]; t++) {
      const [y, next] = step(params, input.at(t, 1).contiguous(), state);
      outputs.push(y);
      state = next;
    }
    const y = stack(outputs, 1);
    expect(await worst(y, want.out)).toBeLessThan(blockBound);
    expect(await worst(state.ssm, want.state, 'relative')).toBeLessThan(1e-4);
    expect(await worst(linear(y.mean(1), classifier), want.logits)).toBeLessThan(logitBound);
  });
}
