/**
 * Races: peers run alternately in one run, so that what the machine does beside it hits all of them. Only the ratio of
 * medians counts; the range tells how far to trust it.
 */

export interface Contender {
  readonly name: string;
  /** One round. @returns the measured figure, in the race's unit. */
  run(): Promise<number>;
}

export interface RaceOptions {
  readonly title: string;
  readonly unit: string;
  /** Which way is better. */
  readonly better: 'higher' | 'lower';
  readonly rounds: number;
  /** The ratio ours/peer that we want, by peer. */
  readonly target?: Readonly<Record<string, number>>;
}

export interface RaceResult {
  readonly title: string;
  readonly unit: string;
  readonly rows: readonly RaceRow[];
  readonly ratios: readonly (RatioOptions & { readonly ratio: number })[];
}

/** Whose median is divided by whose, and the figure that we want. */
export interface RatioOptions {
  readonly of: string;
  readonly to: string;
  readonly target?: number | undefined;
}

export interface RaceRow {
  readonly name: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The first contender is ours; the others are its peers. */
export async function race(options: RaceOptions, contenders: readonly Contender[]): Promise<RaceResult> {
  const [ours = { name: '' }, ...peers] = contenders;
  const ratios = peers.map(({ name }) => ({ of: ours.name, to: name, target: options.target?.[name] }));
  return raceSeveral({ ...options, ratios }, contenders);
}

/** With several of ours, each against the peers that are named. */
export async function raceSeveral(
  options: Omit<RaceOptions, 'target'> & { readonly ratios: readonly RatioOptions[] },
  contenders: readonly Contender[],
): Promise<RaceResult> {
  const samples = contenders.map((): number[] => []);
  for (let round = 0; round < options.rounds; round++) {
    // Each comes first in turn: what one leaves to be done hits the next.
    for (const turn of contenders.keys()) {
      const index = (round + turn) % contenders.length;
      const contender = contenders[index];
      if (contender !== undefined) samples[index]?.push(await contender.run());
    }
  }
  const rows = contenders.map((contender, index) => summarise(contender.name, samples[index] ?? []));
  const medianOf = (name: string): number => rows.find((row) => row.name === name)?.median ?? Number.NaN;
  const ratios = options.ratios.map((wanted) => ({
    ...wanted,
    ratio: medianOf(wanted.of) / medianOf(wanted.to),
  }));
  const result = { title: options.title, unit: options.unit, rows, ratios };
  print(result, options.better);
  return result;
}

export function summarise(name: string, samples: readonly number[]): RaceRow {
  const sorted = [...samples].sort((a, b) => a - b);
  return {
    name,
    median: percentile(sorted, 0.5),
    min: sorted[0] ?? Number.NaN,
    max: sorted.at(-1) ?? Number.NaN,
  };
}

/** Nearest rank, of ascending values; `share` from 0 to 1. */
export function percentile(sorted: readonly number[], share: number): number {
  const index = Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1));
  return sorted[index] ?? Number.NaN;
}

/** One figure without a peer, with its limit. */
export function report(title: string, figures: Readonly<Record<string, string | number>>): void {
  console.log(`\n${title}`);
  for (const [name, value] of Object.entries(figures)) {
    console.log(`  ${name.padEnd(36)} ${typeof value === 'number' ? format(value) : value}`);
  }
}

function print(result: RaceResult, better: 'higher' | 'lower'): void {
  console.log(`\n${result.title} (${result.unit}, ${better} is better)`);
  for (const row of result.rows) {
    console.log(
      `  ${row.name.padEnd(36)} median ${format(row.median).padStart(10)}   range ${format(row.min)} to ${format(row.max)}`,
    );
  }
  for (const { of, to, ratio, target } of result.ratios) {
    const wanted =
      target === undefined ? '' : `, target ${better === 'higher' ? 'at least' : 'at most'} ${target}`;
    console.log(`  ratio of ${of} to ${to}: ${ratio.toFixed(2)}${wanted}`);
  }
}

function format(value: number): string {
  if (Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}
