<?php
/**
 * Runs an action file of the Itgrix customizer as a hook: php itgrix-action.php <hook> <file>
 *
 * The JSON on stdin becomes the array $params. The file answers in one of these ways:
 *   - it returns array('state' => 'success', 'data' => array(...));
 *   - it declares a function of the hook's name, or a single function of any name, that takes $params and returns that;
 *   - it prints that as JSON.
 */
error_reporting(E_ALL);
ini_set('display_errors', 'stderr');
ini_set('html_errors', '0');
ini_set('serialize_precision', '-1');

function ringledger_refuse($message)
{
    fwrite(STDERR, $message . "\n");
    exit(1);
}

$ringledger = array('hook' => $argv[1], 'file' => $argv[2]);
$params = json_decode(stream_get_contents(STDIN), true);
if (!is_array($params)) {
    ringledger_refuse('the input is no JSON object');
}
// Click-to-call wraps its fields; actions read them with and without the wrapping.
if (isset($params['params']) && is_array($params['params'])) {
    $params += $params['params'];
}
chdir(dirname($ringledger['file']));
$ringledger['before'] = get_defined_functions()['user'];
ob_start();
$ringledger['answer'] = require $ringledger['file'];
if (!is_array($ringledger['answer']) && !is_object($ringledger['answer'])) {
    $ringledger['declared'] = array_values(array_diff(get_defined_functions()['user'], $ringledger['before']));
    if (function_exists($ringledger['hook'])) {
        $ringledger['answer'] = call_user_func($ringledger['hook'], $params);
    } elseif (count($ringledger['declared']) === 1 && trim(ob_get_contents()) === '') {
        $ringledger['answer'] = call_user_func($ringledger['declared'][0], $params);
    }
}
$ringledger['printed'] = ob_get_clean();
if (is_array($ringledger['answer']) || is_object($ringledger['answer'])) {
    // What the action printed on the way is for people.
    fwrite(STDERR, $ringledger['printed']);
    $ringledger['json'] = json_encode($ringledger['answer'], JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES);
    if ($ringledger['json'] === false) {
        ringledger_refuse('the answer cannot be written as JSON: ' . json_last_error_msg());
    }
    echo $ringledger['json'];
} else {
    echo $ringledger['printed'];
}
