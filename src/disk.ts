// A small local file that survives a crash of the machine: what is written is on the disk before anybody is told, and a text is replaced as a whole or
// not at all. Owned by one process; its owner's only.
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** One small file that must survive a crash. Each promise resolves when the text is safe from a crash of the machine. */
export interface Disk {
  /** Empty when there is none. */
  read(): Promise<string>;
  append(text: string): Promise<void>;
  /** All or nothing. */
  replace(text: string): Promise<void>;
}

/** A longer file is not ours. */
const READ_BYTES_MAX = 16 * 1024 * 1024;

const synced = async (path: string, flags: 'a' | 'w' | 'r', text: string): Promise<void> => {
  const file = await open(path, flags, 0o600);
  try {
    if (text !== '') await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
};

/** Makes the folder if need be. The file is its owner's only. */
export const fileDisk = (path: string): Disk => ({
  async read() {
    try {
      const bytes = await readFile(path);
      return bytes.subarray(0, READ_BYTES_MAX).toString('utf8');
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
      throw error;
    }
  },
  append: (text) => synced(path, 'a', text),
  async replace(text) {
    await mkdir(dirname(path), { recursive: true });
    const beside = `${path}.new`;
    await synced(beside, 'w', text);
    // Left over from somebody with other habits.
    await chmod(beside, 0o600);
    await rename(beside, path);
    await synced(dirname(path), 'r', '');
  },
});

/** Nothing survives a restart: where no file is configured. */
export const memoryDisk = (): Disk => ({ read: async () => '', append: async () => undefined, replace: async () => undefined });
