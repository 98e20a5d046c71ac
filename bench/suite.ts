/** What `bench/main.ts` knows of a suite. */

export interface SuiteOptions {
  readonly quick: boolean;
  readonly parts: readonly string[];
  readonly progress: (line: string) => void;
  /** Events or rows; each suite has its own default. */
  readonly size?: number | undefined;
  readonly rounds?: number | undefined;
}

/** Of every result: where it is kept. */
export interface SuiteResult {
  readonly suite: string;
  readonly at: string;
  readonly quick: boolean;
}

export interface Finished {
  readonly result: SuiteResult;
  /** For a reader at a terminal. */
  render(): string;
}

export interface Suite {
  readonly parts: readonly string[];
  /** @throws {Error} when a server does not start; a part that fails is reported as not measured. */
  run(options: SuiteOptions): Promise<Finished>;
}
