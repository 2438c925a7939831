import assert from 'node:assert/strict';
import type { Page } from 'playwright-core';
import { until } from '../support/until.ts';
import { startBrowserTests } from './browser-tests.ts';
import type { SeededService } from './seeded-service.ts';

describe('clients, CRMs and people in the browser', function () {
  this.timeout(60_000);
  let service: SeededService;
  let page: Page;
  const { open } = startBrowserTests((opened) => ({ service, page } = opened));
  const dialog = () => page.getByRole('dialog');

  it('import contacts after showing what becomes of each line, faults first', async () => {
    await open('contacts');
    await page.getByRole('button', { name: 'Import CSV' }).click();
    const buffer = Buffer.from('name,numbers\nZoya Import,8 916 700-00-09\n<img src=x onerror=alert(1)>,none\n');
    await dialog().getByLabel('CSV file').setInputFiles({ name: 'contacts.csv', mimeType: 'text/csv', buffer });
    await dialog().getByText('New: 1, completed: 0, unchanged: 0, wrong: 1').waitFor();
    const first = dialog().locator('tbody tr').first();
    await first.getByText('"none" is not a phone number').waitFor();
    await first.getByText('<img src=x onerror=alert(1)>').waitFor();
    await dialog().getByRole('button', { name: 'Import 1' }).click();
    await page.getByText('+7 916 700-00-09').waitFor();
    const link = await page.getByRole('link', { name: 'Export CSV' }).getAttribute('href');
    assert.match(
      (await page.evaluate(`fetch(${JSON.stringify(link)}).then((answer) => answer.text())`)) as string,
      /Zoya Import/,
    );
  });

  it('say what is wrong with a form by the names that the form has, in the person’s language', async () => {
    const save = async (words: { readonly add: string; readonly numbers: string; readonly save: string }) => {
      await open('contacts');
      await page.getByRole('button', { name: words.add }).click();
      await dialog().getByLabel(words.numbers).fill('none');
      await dialog().locator('input[name=name]').fill('Zoya');
      await dialog().getByRole('button', { name: words.save }).click();
      return (await dialog().getByRole('alert').textContent())!;
    };
    const english = await save({ add: 'Add a contact', numbers: 'Numbers', save: 'Save' });
    assert.match(english, /^Numbers.*: "none" is not a phone number$/);
    await page.evaluate(`localStorage.setItem('ringledger.language', 'ru')`);
    const russian = await save({ add: 'Добавить контакт', numbers: 'Номера через запятую', save: 'Сохранить' });
    assert.equal(russian, 'Номера через запятую: «none» — не телефонный номер');
    await page.evaluate(`localStorage.setItem('ringledger.language', 'en')`);
  });

  it('list who of the house is who in each CRM, and what fits nowhere', async () => {
    await open('staff');
    await page.getByText('Every extension has somebody').waitFor();
    const row = page.locator('tr.line', { hasText: 'Vera Pavlova' });
    assert.match((await row.textContent())!, /103.*Vera Pavlova.*u103/);
  });

  it('close a delivery with a note, and send it again with all of its kind', async () => {
    await open('deliveries');
    const rows = page.locator('tbody tr.line');
    await rows.nth(3).waitFor();
    await rows.first().getByRole('button', { name: 'Close with a note' }).click();
    await dialog().getByLabel('Why').fill('a supplier');
    await dialog().getByRole('button', { name: 'Save' }).click();
    await until(async () => (await rows.count()) === 3);
    await page.getByLabel('State').selectOption('skipped');
    await rows.first().getByText('admin: a supplier').waitFor();
    await page.getByRole('button', { name: 'Send all of these again' }).click();
    await dialog().getByRole('button', { name: 'Send again' }).click();
    await page.getByText('1 is in the queue again.').waitFor();
    await page.getByLabel('State').selectOption('rejected');
  });

  it('show what a CRM lacks call by call, and repair it', async () => {
    await open('completeness');
    const today = page.locator('tbody tr.line').first();
    await today.getByText('1 lacking').waitFor();
    await today.getByRole('button', { name: 'Which ones' }).click();
    const lacking = page.locator('.lacking');
    await lacking.getByText('Never queued').waitFor();
    await lacking.getByRole('button', { name: /^Repair/ }).click();
    await page.getByText('1 is in the queue.').waitFor();
    await until(async () => !/lacking/.test((await today.textContent())!));
  });

  it('make a token for a program, show it once, and revoke it', async () => {
    await open('people');
    await page.getByRole('button', { name: 'Make a token' }).click();
    await dialog().getByLabel('Who uses it').fill('Wallboard');
    await dialog().getByRole('button', { name: 'Make' }).click();
    const token = (await page.locator('.secret').textContent())!;
    const use = () => fetch(`${service.url}/api/v1/calls?limit=1`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal((await use()).status, 200);
    await open('people');
    const row = page.locator('tr.line', { hasText: /^Wallboard/ });
    await row.getByText('May look').waitFor();
    assert.equal(await page.locator('.secret').count(), 0);
    await row.getByRole('button', { name: 'Revoke' }).click();
    await dialog().getByRole('button', { name: 'Revoke' }).click();
    await until(async () => (await row.count()) === 0);
    assert.equal((await use()).status, 401);
  });

  it('show who is locked out, and let them in again', async () => {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ name: 'vera', password: 'wrong' });
    for (let count = 0; count < 5; count++)
      await fetch(`${service.url}/api/v1/session`, { method: 'POST', headers, body });
    await open('people');
    const row = page.locator('tr.line', { hasText: 'Supervisor' });
    await row.getByText('Locked until').waitFor();
    await row.getByRole('button', { name: 'Unlock' }).click();
    await until(async () => (await row.getByText('Locked until').count()) === 0);
  });

  it('tell in words what was done, in both languages, with the path below', async () => {
    await open('people');
    const unlocked = page.locator('tr.line', { hasText: 'unlocked the user no. 2' });
    await unlocked.getByText('POST /api/v1/web-users/2/unlock').waitFor();
    await page.locator('tr.line', { hasText: 'revoked the API token no. 1' }).waitFor();
    await page.evaluate(`localStorage.setItem('ringledger.language', 'ru')`);
    await open('people');
    await page.locator('tr.line', { hasText: 'снята блокировка с пользователя № 2' }).waitFor();
    await page.evaluate(`localStorage.setItem('ringledger.language', 'en')`);
  });
});
