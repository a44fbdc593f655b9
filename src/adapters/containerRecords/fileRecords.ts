import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ContainerRecords } from '../../core/ports/containerRecords.ts';
import { FileRecord } from './fileRecord.ts';

/** @param dir a folder of ours alone; made when the first container prints something. */
export function createFileRecords(dir: string, limitBytes: number): ContainerRecords {
  const records = new Map<string, FileRecord>();
  const pathOf = (id: string): string => {
    if (!/^[0-9a-f]{12,64}$/.test(id)) throw new Error(`"${id}" is no container's id.`);
    return join(dir, id);
  };
  const open = (id: string): FileRecord => {
    let record = records.get(id);
    if (record === undefined) {
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      record = new FileRecord(pathOf(id), limitBytes);
      records.set(id, record);
    }
    return record;
  };
  return {
    open,
    find: (id) => (records.has(id) || existsSync(pathOf(id)) ? open(id) : undefined),
    remove: (id) => {
      records.get(id)?.dispose();
      records.delete(id);
      rmSync(pathOf(id), { recursive: true, force: true });
    },
    list: () => (existsSync(dir) ? readdirSync(dir).filter((name) => /^[0-9a-f]{12,64}$/.test(name)) : []),
    dispose: () => {
      for (const record of records.values()) record.dispose();
      records.clear();
    },
  };
}
