import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { listenForInterrupts } from './interrupts.js';

describe('listenForInterrupts', () => {
  function listen(): {
    source: EventEmitter;
    at(time: number): void;
    interrupts: ReturnType<typeof listenForInterrupts>;
  } {
    const source = new EventEmitter();
    let now = 0;
    const interrupts = listenForInterrupts(source, () => now);
    return { source, at: (time) => (now = time), interrupts };
  }

  it('stops at the first Ctrl-C and kills at the second', () => {
    const { source, at, interrupts } = listen();
    expect(interrupts.exitCode()).toBeUndefined();
    source.emit('SIGINT');
    expect([interrupts.stop.aborted, interrupts.kill.aborted, interrupts.exitCode()]).toEqual([
      true,
      false,
      130,
    ]);
    at(2000);
    source.emit('SIGINT');
    expect([interrupts.stop.aborted, interrupts.kill.aborted, interrupts.exitCode()]).toEqual([
      true,
      true,
      130,
    ]);
  });

  it('takes the same key press, delivered twice, for one', () => {
    const { source, at, interrupts } = listen();
    source.emit('SIGINT');
    at(50);
    source.emit('SIGINT');
    expect(interrupts.kill.aborted).toBe(false);
  });

  it('answers SIGTERM with 143', () => {
    const { source, interrupts } = listen();
    source.emit('SIGTERM');
    expect([interrupts.stop.aborted, interrupts.exitCode()]).toEqual([true, 143]);
  });

  it('gives the signals back', () => {
    const { source, interrupts } = listen();
    interrupts.release();
    expect(source.listenerCount('SIGINT') + source.listenerCount('SIGTERM')).toBe(0);
  });
});
