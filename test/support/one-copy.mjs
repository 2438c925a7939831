/**
 * Where Node can, mocha loads test files with `require`. What our code loads later with `import()` would then be a second
 * copy of every module, with error classes of its own that `instanceof` does not know. Told that Node cannot, mocha
 * imports them, and there is one copy of each, as in the service.
 */
Object.defineProperty(process.features, 'require_module', { value: false });
