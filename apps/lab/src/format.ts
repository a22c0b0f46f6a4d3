/** Numbers as people read them. */

/** 12345 → `12,345`. */
export function count(n: number): string {
  return Math.round(n)
    .toString()
    .replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** 1_234_567 → `1.23 M`; three significant digits and a decimal prefix. */
export function short(n: number): string {
  const prefixes = ['', 'k', 'M', 'G', 'T', 'P'];
  let power = 0;
  let value = n;
  while (value >= 999.5 && power < prefixes.length - 1) {
    value /= 1000;
    power++;
  }
  if (power === 0) return Number.isInteger(n) ? String(n) : n.toPrecision(3);
  const digits = value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${prefixes[power]}`;
}

/** 1_572_864 → `1.50 MiB`. */
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let power = 0;
  let value = n;
  while (value >= 1000 && power < units.length - 1) {
    value /= 1024;
    power++;
  }
  if (power === 0) return `${Math.round(n)} B`;
  return `${value.toFixed(value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2)} ${units[power]}`;
}

/** Seconds → `0:07`, `12:30`, `1:02:03`; rounded up so that time left never reads 0:00 too early. */
export function clock(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  const total = Math.ceil(Math.max(0, seconds));
  const [h, m, s] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (n: number): string => String(n).padStart(2, '0');
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** A share of 1 → `26 %`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

/** Nats per character with three decimals, `–` for a number that is not there yet. */
export function nats(n: number | undefined): string {
  return n === undefined || Number.isNaN(n) ? '–' : n.toFixed(3);
}
