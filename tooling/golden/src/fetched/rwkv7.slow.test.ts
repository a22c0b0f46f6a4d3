// Twelve layers, byte by byte: minutes where the adapter is a program on the CPU.
import { loadKernels } from '@seq/tensor/engine';
import { testDevices } from '@seq/testing/golden';
import { recordedRwkv7 } from './rwkv7-recorded.js';

await loadKernels();

for (const on of testDevices()) if (on.kind === 'webgpu') recordedRwkv7(on);
