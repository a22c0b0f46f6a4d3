export { default } from './tooling/config/vitest.js';
