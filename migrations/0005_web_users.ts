/** People who use the web interface, their sessions, and what they did. Times are milliseconds since the epoch. */
import type { Knex } from 'knex';

export async function up(knex: Knex): Promise<void> {
  await knex.schema.createTable('web_users', (table) => {
    table.bigIncrements('id');
    /** Lower case: one name is one person however it is typed. */
    table.text('name').notNullable().unique();
    table.text('password_hash').notNullable();
    table.text('role').notNullable();
    /** JSON: whose calls the person sees; empty for those who see all. */
    table.text('extensions').notNullable();
    table.boolean('is_active').notNullable();
    table.integer('failures').notNullable();
    table.bigInteger('locked_until');
    table.bigInteger('created_at').notNullable();
  });

  await knex.schema.createTable('web_sessions', (table) => {
    /** SHA-256 of the cookie: who reads the database cannot take a session over. */
    table.text('token_hash').primary();
    table.bigInteger('user_id').notNullable().references('id').inTable('web_users').onDelete('CASCADE');
    table.text('csrf_token').notNullable();
    table.bigInteger('created_at').notNullable();
    table.bigInteger('used_at').notNullable();
    table.index(['user_id'], 'web_sessions_by_user');
    table.index(['used_at'], 'web_sessions_by_use');
  });

  await knex.schema.createTable('web_audit', (table) => {
    table.bigIncrements('id');
    table.bigInteger('at').notNullable();
    table.text('who').notNullable();
    table.text('address').notNullable();
    table.text('action').notNullable();
    table.text('target').notNullable();
    table.index(['at', 'id'], 'web_audit_by_time');
  });
}

export async function down(knex: Knex): Promise<void> {
  for (const table of ['web_audit', 'web_sessions', 'web_users']) await knex.schema.dropTable(table);
}
