import assert from 'node:assert/strict';
import { newRecordingId } from '../../src/recordings/links.ts';
import { RecordingStore, type NewRecording } from '../../src/recordings/store.ts';
import { openDatabase } from '../../src/storage/connection.ts';
import { migrateDatabase } from '../../src/storage/migrate.ts';

describe('the recordings of a call that turns out to be part of another', () => {
  const at = new Date('2026-11-21T07:00:00.000Z');
  const part = (linkedId: string, announcedPath: string, uniqueId = '1795246371.3'): NewRecording => ({
    id: newRecordingId(),
    source: 'office',
    linkedId,
    uniqueId,
    position: 0,
    direction: 'inbound',
    client: '+79161110001',
    extension: '101',
    did: null,
    startedAt: at,
    callEndedAt: at,
    announcedPath,
    keepUntil: null,
    dueAt: at,
  });

  it('are the same ones under its new name', async () => {
    const database = await openDatabase({ kind: 'sqlite', path: ':memory:' });
    try {
      await migrateDatabase(database);
      const store = new RecordingStore({ db: database.knex, now: () => at });
      await store.add([part('1795246371.3', '')]);
      await database.knex('recordings').update({ state: 'missing', due_at: null });
      const renamed = [part('1795246371.1', '/monitor/a.wav'), part('1795246371.1', '/monitor/b.wav', '1795246371.5')];
      await store.add(renamed);
      const found = await store.ofCall('office', ['1795246371.1', '1795246371.3']);
      assert.deepEqual(
        found.map(({ uniqueId, linkedId, announcedPath }) => ({ uniqueId, linkedId, announcedPath })),
        [
          { uniqueId: '1795246371.3', linkedId: '1795246371.3', announcedPath: '/monitor/a.wav' },
          { uniqueId: '1795246371.5', linkedId: '1795246371.1', announcedPath: '/monitor/b.wav' },
        ],
      );
    } finally {
      await database.close();
    }
  });
});
