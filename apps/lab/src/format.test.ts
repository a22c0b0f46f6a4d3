import { describe, expect, it } from 'vitest';
import { bytes, clock, count, nats, short } from './format.js';
import { columns, formatTable } from './table.js';

describe('numbers', () => {
  it('counts with separators', () =>
    expect([count(0), count(999), count(1234567.4)]).toEqual(['0', '999', '1,234,567']));
  it('shortens to three digits', () => {
    expect([0, 7, 999, 999.4, 1000, 12345, 999_499, 999_600, 1.5e9].map(short)).toEqual([
      '0',
      '7',
      '999',
      '999',
      '1.00 k',
      '12.3 k',
      '999 k',
      '1.00 M',
      '1.50 G',
    ]);
  });
  it('counts bytes in powers of 1024', () =>
    expect([12, 1023, 1024, 1.5 * 1024 ** 2].map(bytes)).toEqual([
      '12 B',
      '1.00 KiB',
      '1.00 KiB',
      '1.50 MiB',
    ]));
  it('tells time, rounded up', () =>
    expect([0, 0.2, 59.5, 61, 3723, Infinity, -3].map(clock)).toEqual([
      '0:00',
      '0:01',
      '1:00',
      '1:01',
      '1:02:03',
      '–',
      '0:00',
    ]));
  it('gives nats three decimals', () =>
    expect([nats(2.41239), nats(undefined), nats(NaN)]).toEqual(['2.412', '–', '–']));
});

describe('formatTable', () => {
  it('aligns names left, numbers right, headings of several lines at the bottom', () => {
    const table = formatTable(columns('model', 'nats per\ncharacter'), [
      ['gru', '2.1'],
      null,
      ['\u001b[1mattention\u001b[22m', '10.25'],
    ]);
    expect(table.split('\n')).toEqual([
      '            nats per',
      'model      character',
      '────────────────────',
      'gru              2.1',
      '────────────────────',
      '\u001b[1mattention\u001b[22m      10.25',
    ]);
  });
});
