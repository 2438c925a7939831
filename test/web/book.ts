import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContactBook } from '../../src/core/contact-book.ts';
import { createLocalCrm } from '../../src/crm/local/adapter.ts';
import { localCrmConfig } from '../../src/crm/local/config.ts';
import { numberingConfig } from '../../src/numbering/config.ts';
import { createNumberPlan } from '../../src/numbering/number-plan.ts';
import { openDatabase } from '../../src/storage/connection.ts';
import { migrateDatabase } from '../../src/storage/migrate.ts';
import type { WebParts } from '../../src/web/ports.ts';
import { openHouse, type House } from './house.ts';

export interface OpenedBook {
  readonly book: ContactBook;
  /** What a web server needs to offer it. */
  readonly parts: Pick<WebParts, 'contactBook' | 'toClientNumber'>;
  close(): Promise<void>;
}

/** The built-in CRM on a new database in this file, with Russian numbers. */
export async function openBook(file: string): Promise<OpenedBook> {
  const database = await openDatabase({ kind: 'sqlite', path: file });
  await migrateDatabase(database);
  const numbers = createNumberPlan(numberingConfig.parse({ country: 'RU' }));
  const clock = { now: () => new Date() };
  const { book } = createLocalCrm({
    name: 'local',
    config: localCrmConfig.parse({}),
    db: database.knex,
    numbers,
    clock,
  });
  return {
    book,
    parts: { contactBook: book, toClientNumber: (raw) => numbers.toClientNumber(raw) },
    close: () => database.close(),
  };
}

/** The web server with a book of its own behind it, for the time of the tests of one `describe`; read in them, not before. */
export function bookHouseForTests(): { readonly house: House } {
  let folder: string;
  let opened: OpenedBook;
  let house: House;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'ringledger-web-'));
    opened = await openBook(join(folder, 'ledger.db'));
    house = await openHouse({ parts: opened.parts });
  });
  after(async () => {
    await house.stop(100);
    await opened.close();
    rmSync(folder, { recursive: true });
  });
  return {
    get house() {
      return house;
    },
  };
}
