import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { parse } from 'yaml';
import { until } from '../support/until.ts';
import { startBrowserTests } from './browser-tests.ts';
import { adminPassword, type SeededService } from './seeded-service.ts';

describe('settings, set-up and dialplan in a browser', function () {
  this.timeout(60_000);
  let service: SeededService;
  let page: Page;
  let restarts = 0;
  const { open, axeFaults } = startBrowserTests((opened) => ({ service, page } = opened), {
    service: { env: { RINGLEDGER_LOG_LEVEL: 'warn' }, restart: () => void (restarts += 1) },
    isFirstRun: true,
  });
  const answers: string[] = [];
  const onDisk = () => readFileSync(service.configFile, 'utf8');
  const save = async () => {
    await page.getByRole('button', { name: 'See the difference and save' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.locator('.added, .removed').first().waitFor();
    const difference = (await dialog.locator('pre.file').textContent()) ?? '';
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'hidden' });
    return difference;
  };
  before(() =>
    page.on('response', (response) => {
      if (response.url().includes('/api/'))
        void response.text().then(
          (text) => answers.push(text),
          () => undefined,
        );
    }),
  );
  afterEach(() => {
    for (const text of answers) assert.doesNotMatch(text, /canary/);
  });

  it('leads whoever made the first user to the set-up', async () => {
    await page.goto(`${service.url}/ui/`);
    const token = page.getByLabel('Token from the file');
    await token.fill(readFileSync(join(service.folder, 'first-run-token'), 'utf8').trim());
    await page.getByLabel('Name').fill('admin');
    await page.getByLabel(/^Password/).fill(adminPassword);
    await page.getByRole('button', { name: 'Make the user and sign in' }).click();
    await page.waitForURL(/\/ui\/setup$/);
    await page.getByRole('heading', { name: 'The connection to Asterisk' }).waitFor();
  });

  it('changes a value by its form: seen as a difference first, then in the file, the comments as they were', async () => {
    await open('settings?section=installation');
    const before = onDisk();
    await page.getByLabel('country', { exact: true }).fill('KZ');
    await page.getByLabel('country', { exact: true }).press('Enter');
    const difference = await save();
    assert.match(difference, /-  country: RU\n\+  country: KZ/);
    await page.getByText('A restart applies it').waitFor();
    assert.equal(onDisk(), before.replace('country: RU', 'country: KZ'));
    await page.getByRole('button', { name: 'Restart now' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Restart now' }).click();
    await until(() => restarts === 1);
  });

  it('shows a fault beside its field and at its line, and saves nothing as long as it stands', async () => {
    await open('settings?section=http');
    await page.getByLabel('cidDeadlineMs', { exact: true }).fill('7');
    await page.getByLabel('cidDeadlineMs', { exact: true }).press('Enter');
    await page.locator('.setting-fault').getByText('too small').waitFor();
    const button = page.getByRole('button', { name: 'See the difference and save' });
    assert.equal(await button.isDisabled(), true);
    await page.getByRole('button', { name: /^Line \d+$/ }).click();
    await page.locator('.cm-lint-marker-error').first().waitFor();
    assert.deepEqual(await axeFaults(), []);
    await page.getByRole('button', { name: 'Discard' }).click();
    await button.waitFor({ state: 'hidden' });
  });

  it('edits the whole file, and what is typed there stands in the forms', async () => {
    await open('settings?way=text');
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('# typed\ncalls:\ninternal: drop');
    await page.getByText('not valid YAML').or(page.getByText('unknown setting')).first().waitFor();
    await page.keyboard.press('Home');
    await page.keyboard.type('  ');
    await page.getByText('with it nothing is saved').waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Forms' }).click();
    await page.getByRole('link', { name: 'Calls', exact: true }).nth(1).click();
    assert.equal(await page.getByLabel('internal', { exact: true }).inputValue(), 'drop');
    assert.match(await save(), /\+# typed\n\+calls:\n\+  internal: drop/);
    assert.match(onDisk(), /# typed\ncalls:\n {2}internal: drop/);
  });

  it('leaves the editor with Tab, as every field', async () => {
    await open('settings?way=text');
    const isFocused = () => page.evaluate(`document.activeElement.classList.contains('code-editor')`);
    await page.locator('.cm-content').focus();
    assert.equal(await isFocused(), true);
    await page.keyboard.press('Tab');
    await until(async () => !(await isFocused()));
  });

  it('lets a marked text be typed over without a style that the policy refuses, and undone', async () => {
    await open('settings?way=text');
    const content = page.locator('.cm-content');
    await content.getByText('installation').click();
    await page.keyboard.press('Home');
    await page.keyboard.press('Shift+End');
    await page.keyboard.type('x1');
    await content.getByText('x1', { exact: true }).waitFor();
    assert.equal(await content.getByText('installation').count(), 0);
    await page.keyboard.press('Control+z');
    await content.getByText('installation').waitFor();
    // The server has looked at it again: leaving warns of nothing.
    await page.locator('.save-bar').waitFor({ state: 'detached' });
  });

  it('never shows a secret, and replaces one where it stands', async () => {
    await open('settings?section=http');
    const wallboard = page.locator('.entry', { hasText: 'wallboard' });
    await wallboard.locator('summary').click();
    await wallboard.getByText('Set, in the file secrets/wallboard').waitFor();
    await wallboard.getByRole('button', { name: 'Replace' }).click();
    await wallboard.locator('input[type=password]').fill('another-token-0123456789abcdef');
    await wallboard.getByRole('button', { name: 'Use' }).click();
    await wallboard.getByText('Will be written to the file').waitFor();
    await page.getByRole('button', { name: 'See the difference and save' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('Will be written to the file secrets/wallboard').waitFor();
    assert.deepEqual(await axeFaults(), []);
    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'hidden' });
    assert.equal(
      readFileSync(join(service.folder, 'secrets', 'wallboard'), 'utf8'),
      'another-token-0123456789abcdef\n',
    );
    assert.doesNotMatch(await page.content(), /another-token|canary/);
  });

  it('adds an entry to a list and takes it out again', async () => {
    await open('settings?section=users');
    await page.locator('.entry').nth(4).waitFor();
    await page.getByRole('button', { name: 'Add an entry' }).click();
    const added = page.locator('.entry').nth(5);
    await added.locator('summary').click();
    await added.getByLabel('name', { exact: true }).fill('Zoya');
    await added.getByLabel('name', { exact: true }).press('Enter');
    await page.locator('.entry summary', { hasText: 'Zoya' }).waitFor();
    await added.getByLabel('id', { exact: true }).fill('zoya');
    await added.getByLabel('id', { exact: true }).press('Enter');
    await save();
    const users = (parse(onDisk()) as { users: { id: string }[] }).users;
    assert.deepEqual(users.at(-1), { name: 'Zoya', id: 'zoya' });
    await page.locator('.entry summary', { hasText: 'Zoya' }).click();
    await page.getByRole('button', { name: 'Remove Zoya' }).click();
    await until(async () => (await page.locator('.entry').count()) === 5);
    await save();
    assert.equal((parse(onDisk()) as { users: object[] }).users.length, 5);
  });

  it('keeps what was changed and not saved while another screen is looked at', async () => {
    await open('settings?section=http');
    await page.getByLabel('cidDeadlineMs', { exact: true }).fill('900');
    await page.getByLabel('cidDeadlineMs', { exact: true }).press('Enter');
    await page.getByText('There are changes that are not saved').waitFor();
    await page.getByRole('link', { name: 'Health', exact: true }).click();
    await page.getByRole('heading', { name: 'Health' }).waitFor();
    await page.goBack();
    await page.getByText('There are changes that are not saved').waitFor();
    assert.equal(await page.getByLabel('cidDeadlineMs', { exact: true }).inputValue(), '900');
    await page.getByRole('button', { name: 'Discard' }).click();
    await page.getByText('There are changes that are not saved').waitFor({ state: 'hidden' });
    assert.equal(await page.getByLabel('cidDeadlineMs', { exact: true }).inputValue(), '');
  });

  it('does not let a setting be changed that the environment decides', async () => {
    await open('settings?section=log');
    await page.getByText('RINGLEDGER_LOG_LEVEL decides this').waitFor();
    assert.equal(await page.getByLabel('level', { exact: true }).isDisabled(), true);
  });

  it('goes back to a version after a look at the difference', async () => {
    const present = onDisk();
    await open('settings?way=versions');
    await page.getByRole('button', { name: 'Look at it and go back' }).last().click();
    assert.match(await save(), /\+  country: RU/);
    assert.notEqual(onDisk(), present);
    assert.match(onDisk(), /country: RU/);
  });

  it('says so when somebody else changed the file meanwhile', async () => {
    await open('settings?section=installation');
    await page.getByLabel('country', { exact: true }).waitFor();
    writeFileSync(service.configFile, `${onDisk()}# by hand\n`);
    await page.getByLabel('country', { exact: true }).fill('KZ');
    await page.getByLabel('country', { exact: true }).press('Enter');
    await page.getByRole('button', { name: 'See the difference and save' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
    await page.getByRole('dialog').getByText('was changed by somebody else meanwhile').waitFor();
    assert.match(onDisk(), /# by hand/);
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await page.getByRole('button', { name: 'Refresh' }).click();
    await page.getByRole('button', { name: 'See the difference and save' }).waitFor({ state: 'hidden' });
    assert.equal(await page.getByLabel('country', { exact: true }).inputValue(), 'RU');
  });

  it('leads through the set-up without a phone system: every step can be skipped, and it comes back to where one was', async () => {
    await open('setup');
    await page.getByRole('button', { name: /Employees/ }).click();
    await page.getByText('Asterisk could not be asked for its phones').waitFor();
    await page.getByRole('button', { name: 'Add by hand' }).click();
    await page.getByLabel('Extension', { exact: true }).fill('107');
    await page.getByLabel(/^Name/).fill('Zoya Lang');
    await page.getByRole('button', { name: 'Save employees (1)' }).click();
    await page.getByText('Zoya Lang · 107').waitFor();
    const { users } = parse(onDisk()) as { users: object[] };
    assert.deepEqual(users.at(-1), { id: 'u107', name: 'Zoya Lang', extensions: ['107'] });
    await page.getByRole('button', { name: 'Next' }).click();
    await page.getByText('retailCRM / Simla').click();
    assert.deepEqual(await axeFaults(), []);
    await until(async () => ((await (await service.ask('setup')).json()) as { at: string }).at === 'crm');
    await open('setup');
    await page.getByRole('heading', { name: 'Where calls are registered' }).waitFor();
    await page.getByRole('button', { name: 'Skip for now' }).click();
    await page.getByRole('button', { name: 'Check' }).waitFor();
    await page.getByRole('button', { name: 'Skip for now' }).click();
    await page.getByText('Waiting for a call').waitFor();
    service.startCall();
    await page.getByText('Ivan Petrov').waitFor();
    assert.deepEqual(await axeFaults(), []);
    await page.getByRole('button', { name: 'Finish' }).click();
    await page.waitForURL(/\/ui\/live$/);
  });

  it('checks the dialplan, and tells in words why it was not applied', async () => {
    await open('dialplan');
    await page.getByText('Asterisk does not include these files yet').waitFor();
    await page.getByRole('button', { name: 'Check' }).click();
    await page.locator('.findings').getByText('does not exist').first().waitFor();
    await page.getByRole('button', { name: 'Apply' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('every context is read back').waitFor();
    assert.deepEqual(await axeFaults(), []);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Apply' }).click();
    await dialog.getByRole('button', { name: 'Apply' }).click();
    await page.locator('.note.bad').getByText('Nothing was changed').waitFor();
    await page.getByText('No AMI control user is configured').waitFor();
  });

  it('says in the person’s language what each setting is for, also of what a CRM alone has', async () => {
    await page.evaluate(`localStorage.setItem('ringledger.language', 'ru')`);
    await open('settings?section=recordings');
    await page.getByText('Сколько дней ссылка действует. По умолчанию бессрочно.').waitFor();
    const texts = await page.locator('.setting-words p, .settings-group > p').allTextContents();
    assert.ok(texts.length > 15);
    for (const text of texts) assert.match(text, /[а-яё]{3}/i);
    await page.evaluate(`localStorage.setItem('ringledger.language', 'en')`);
    await open('settings?section=recordings');
    await page.getByText('Days for which a link is good; null: for ever').waitFor();
  });

  it('says in the person’s language what is wrong with a setting, with the text and with the dialplan', async () => {
    await page.evaluate(`localStorage.setItem('ringledger.language', 'ru')`);
    await open('settings?section=http');
    await page.getByLabel('cidDeadlineMs', { exact: true }).fill('7');
    await page.getByLabel('cidDeadlineMs', { exact: true }).press('Enter');
    const words = '7 — слишком мало; нужно не меньше 50';
    await page.locator('.setting-fault').getByText(words).waitFor();
    const list = page.getByRole('region', { name: 'Ошибки' });
    await list.getByText(`http.cidDeadlineMs ${words}`).waitFor();
    await list.getByRole('button', { name: /^Строка \d+$/ }).click();
    await page.locator('.cm-lint-marker-error').first().hover();
    await page.locator('.cm-tooltip').getByText(words).waitFor();
    await page.locator('.cm-content').click();
    await page.keyboard.press('Control+End');
    await page.keyboard.type('\ncolour: red: dark');
    await list.getByText('это не YAML: второе двоеточие с пробелом в одной строке').waitFor();
    await page.getByRole('button', { name: 'Отменить', exact: true }).click();
    await open('dialplan');
    await page.getByRole('button', { name: 'Проверить' }).click();
    await page.locator('.findings').getByText('нет; когда он появится, добавьте в его конец строку').first().waitFor();
    await page.getByRole('button', { name: 'Применить' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Применить' }).click();
    await page.getByText('Пользователь AMI для управления не настроен').waitFor();
    await page.evaluate(`localStorage.setItem('ringledger.language', 'en')`);
  });

  it('asks again, with the names, before files that were changed by hand are replaced', async () => {
    const wishes: unknown[] = [];
    await page.route('**/api/v1/dialplan/apply', (route) => {
      const wish = route.request().postDataJSON() as { isForced: boolean };
      wishes.push(wish);
      const nothing = { written: [], removed: [], verifiedContexts: null, version: null, findings: [], message: null };
      return route.fulfill({
        json: wish.isForced
          ? {
              ...nothing,
              state: 'applied',
              needsForce: false,
              written: ['inbound.conf'],
              verifiedContexts: 7,
              version: 'v1',
            }
          : { ...nothing, state: 'refused', needsForce: true, message: 'holds what would be lost: mine.conf' },
      });
    });
    writeFileSync(join(service.folder, 'asterisk', 'ringledger', 'mine.conf'), '[mine]\n');
    await open('dialplan');
    await page.getByText('Changed by hand or not ours: mine.conf').waitFor();
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Apply' }).click();
    const question = page.getByRole('dialog', { name: 'Replace files that were changed by hand?' });
    await question.getByText('mine.conf').waitFor();
    await question.getByRole('button', { name: 'Overwrite' }).click();
    await page.getByText('Asterisk has loaded all 7 contexts.').waitFor();
    assert.deepEqual(wishes, [{ isForced: false }, { isForced: true }]);
    await page.unroute('**/api/v1/dialplan/apply');
  });
});
