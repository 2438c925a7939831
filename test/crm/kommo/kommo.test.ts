import { forEachDatabase } from '../../support/databases.ts';
import { oddReadings, plainReadings } from '../../support/fake-kommo.ts';
import { testCrmAdapter } from '../conformance.ts';
import { kommoCapabilities, makeKommo } from './kommo-under-test.ts';

describe('an amoCRM or Kommo account', () => {
  forEachDatabase((makeDatabase) => {
    testCrmAdapter({
      name: 'it',
      make: async () => makeKommo((await makeDatabase()).database.knex, { readings: plainReadings }),
      capabilities: kommoCapabilities,
    });
  });
  forEachDatabase((makeDatabase, kind) => {
    if (kind === 'postgres') return;
    testCrmAdapter({
      name: 'it, read the other way where the contract leaves room,',
      make: async () => makeKommo((await makeDatabase()).database.knex, { readings: oddReadings }),
      capabilities: kommoCapabilities,
    });
  });
});
