/** A law that a mixer breaks: which, whose, and where it shows. */
export class LawError extends Error {
  /** Name of the law, such as `split`. */
  readonly law: string;
  /** Name of the mechanism. */
  readonly mechanism: string;

  constructor(mechanism: string, law: string, message: string) {
    super(`conformance(${mechanism}), law "${law}": ${message}`);
    this.name = 'LawError';
    this.law = law;
    this.mechanism = mechanism;
  }
}
