import { invalidRequest } from '../../../core/text.ts';
import type { Priority } from '../../../core/events/event.ts';
import { noResourceLimits, type ResourceLimits, type ResourceUsage } from '../../../core/resources.ts';
import {
  Priority as PriorityMessage,
  type ResourceLimits as ResourceLimitsMessage,
  type ResourceUsage as ResourceUsageMessage,
} from '../../../protocol/gen/common/v1/common.ts';

/** Core times are milliseconds, those on this wire nanoseconds. */
const nsPerMs = 1_000_000n;

const priorities: Readonly<Record<Priority, PriorityMessage>> = {
  low: PriorityMessage.PRIORITY_LOW,
  normal: PriorityMessage.PRIORITY_NORMAL,
  high: PriorityMessage.PRIORITY_HIGH,
  critical: PriorityMessage.PRIORITY_CRITICAL,
};

/** Rounded up, so that a limit never becomes none. Error: `invalid_request` for what is negative. */
export function msOfNs(ns: bigint, field: string): number {
  if (ns < 0n) throw invalidRequest(`${field} cannot be negative`);
  return Number((ns + nsPerMs - 1n) / nsPerMs);
}

export function nsOfMs(ms: number): bigint {
  return BigInt(Math.round(ms)) * nsPerMs;
}

export function priorityMessage(priority: Priority = 'normal'): PriorityMessage {
  return priorities[priority];
}

/** Undefined where none is given. Error: `invalid_request`. */
export function priorityOf(message: PriorityMessage): Priority | undefined {
  return wordOf(priorities, message, 'priority');
}

/**
 * The core's word for a number of an enum; undefined for 0, which stands for "not given". Error: `invalid_request` for
 * a number that the enum does not have.
 */
export function wordOf<W extends string>(
  numbers: Readonly<Record<W, number>>,
  value: number,
  field: string,
): W | undefined {
  if (value === 0) return undefined;
  for (const word in numbers) if (numbers[word] === value) return word;
  throw invalidRequest(`${field} has no value ${value}`);
}

export function limitsMessage(limits: ResourceLimits): ResourceLimitsMessage {
  return {
    nanoCpus: BigInt(limits.nanoCpus),
    memoryBytes: BigInt(limits.memoryBytes),
    memorySwap: BigInt(limits.memorySwap),
    pidsLimit: BigInt(limits.pidsLimit ?? 0),
  };
}

/** Error: `invalid_request` for negative limits, but that -1 of swap stands for unlimited. */
export function limitsOf(message: ResourceLimitsMessage | undefined): ResourceLimits {
  if (message === undefined) return noResourceLimits;
  const { nanoCpus, memoryBytes, memorySwap, pidsLimit } = message;
  if (nanoCpus < 0n || memoryBytes < 0n || memorySwap < -1n) {
    throw invalidRequest('resource limits cannot be negative');
  }
  return {
    nanoCpus: Number(nanoCpus),
    memoryBytes: Number(memoryBytes),
    memorySwap: Number(memorySwap),
    pidsLimit: pidsLimit > 0n ? Number(pidsLimit) : undefined,
  };
}

const noUsage: ResourceUsage = {
  cpuPercent: 0,
  memoryUsage: 0,
  memoryLimit: 0,
  memoryPercent: 0,
  networkRx: 0,
  networkTx: 0,
  blockRead: 0,
  blockWrite: 0,
  pidsCount: 0,
};

export function usageMessage(usage: ResourceUsage = noUsage): ResourceUsageMessage {
  const { cpuPercent, memoryPercent } = usage;
  return {
    cpuPercent,
    memoryPercent,
    memoryUsage: wholeBigInt(usage.memoryUsage),
    memoryLimit: wholeBigInt(usage.memoryLimit),
    networkRx: wholeBigInt(usage.networkRx),
    networkTx: wholeBigInt(usage.networkTx),
    blockRead: wholeBigInt(usage.blockRead),
    blockWrite: wholeBigInt(usage.blockWrite),
    pidsCount: wholeBigInt(usage.pidsCount),
  };
}

/** What several use together; of the memory that is the share of all their limits. */
export function sumUsage(usages: readonly ResourceUsage[]): ResourceUsage {
  const sum = usages.reduce(
    (total, usage) => ({
      cpuPercent: total.cpuPercent + usage.cpuPercent,
      memoryUsage: total.memoryUsage + usage.memoryUsage,
      memoryLimit: total.memoryLimit + usage.memoryLimit,
      memoryPercent: 0,
      networkRx: total.networkRx + usage.networkRx,
      networkTx: total.networkTx + usage.networkTx,
      blockRead: total.blockRead + usage.blockRead,
      blockWrite: total.blockWrite + usage.blockWrite,
      pidsCount: total.pidsCount + usage.pidsCount,
    }),
    noUsage,
  );
  return { ...sum, memoryPercent: sum.memoryLimit > 0 ? (100 * sum.memoryUsage) / sum.memoryLimit : 0 };
}

function wholeBigInt(value: number): bigint {
  return BigInt(Math.round(value));
}
