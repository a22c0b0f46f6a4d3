import { testDevices } from '@seq/testing/golden';
import { recordedRwkv7 } from './rwkv7-recorded.js';

for (const on of testDevices()) if (on.kind === 'cpu') recordedRwkv7(on);
