import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

export interface Passwords {
  /** `scrypt$N$r$p$salt$key`: the cost can grow without making kept hashes worthless. */
  hash(password: string): Promise<string>;
  /** `hash` null: there is no such user; that takes the same time and is never right. */
  isRight(password: string, hash: string | null): Promise<boolean>;
}

/** 32 MiB and some tenths of a second for each try. */
const cost = { N: 2 ** 15, r: 8, p: 2 };
const keyBytes = 32;
const memoryLimit = 64 * 1024 * 1024;
const written = /^scrypt\$(\d{4,7})\$(\d{1,2})\$(\d{1,2})\$([\w-]+)\$([\w-]+)$/;
const nobody = `scrypt$${cost.N}$${cost.r}$${cost.p}$${'A'.repeat(22)}$${'A'.repeat(43)}`;

/** Hashes one password at a time: its threads also read files, and calls go before people who sign in. */
export function createPasswords(): Passwords {
  let turn: Promise<unknown> = Promise.resolve();

  function derive(password: string, salt: Buffer, { N, r, p }: typeof cost): Promise<Buffer> {
    const next = turn.then(
      () =>
        new Promise<Buffer>((resolve, reject) => {
          scrypt(password.normalize('NFKC'), salt, keyBytes, { N, r, p, maxmem: memoryLimit }, (error, key) =>
            error === null ? resolve(key) : reject(error),
          );
        }),
    );
    turn = next.catch(() => undefined);
    return next;
  }

  return {
    async hash(password) {
      const salt = randomBytes(16);
      const key = await derive(password, salt, cost);
      return ['scrypt', cost.N, cost.r, cost.p, salt.toString('base64url'), key.toString('base64url')].join('$');
    },
    async isRight(password, hash) {
      const match = written.exec(hash ?? nobody);
      if (match === null) return false;
      const [, N, r, p, salt, key] = match;
      const wanted = Buffer.from(key!, 'base64url');
      const derived = await derive(password, Buffer.from(salt!, 'base64url'), {
        N: Number(N),
        r: Number(r),
        p: Number(p),
      });
      return derived.length === wanted.length && timingSafeEqual(derived, wanted) && hash !== null;
    },
  };
}
