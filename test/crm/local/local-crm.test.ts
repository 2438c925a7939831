import { forEachDatabase } from '../../support/databases.ts';
import { testCrmAdapter } from '../conformance.ts';
import { localCapabilities, makeLocalCrm } from './local-crm-under-test.ts';

describe('the built-in CRM', () => {
  forEachDatabase((makeDatabase) => {
    testCrmAdapter({
      name: 'it',
      make: async () => makeLocalCrm((await makeDatabase()).database.knex),
      capabilities: localCapabilities,
    });
  });
});
