// What a runner of golden cases needs, without the laws and their test runner.
export { compareGolden, parseGolden, readGolden } from './case.js';
export type { GoldenCase, GoldenComparison } from './case.js';
export { firstDifference, largestDifference, magnitude, unravel } from '../compare.js';
export type { Bound, Difference } from '../compare.js';
export { testDevices } from '../devices.js';
export { hostRandom, isFloatArray, sizeOf, toHost, toTensor, treeToHost, treeToTensors } from '../host.js';
export type { HostArray, HostRandom, HostTree, Place } from '../host.js';
export type { TestDevice } from '../types.js';
