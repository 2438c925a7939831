import { forEachDatabase } from '../../support/databases.ts';
import { testCrmAdapter } from '../conformance.ts';
import { makeRetailcrm, retailcrmCapabilities } from './retailcrm-under-test.ts';

describe('retailCRM', () => {
  forEachDatabase((makeDatabase) => {
    testCrmAdapter({
      name: 'an account with API v5',
      make: async () => makeRetailcrm((await makeDatabase()).database.knex),
      capabilities: retailcrmCapabilities,
    });
  });
});
