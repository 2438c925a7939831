<?php
// Black list by trunk, white list by extension: calls over the trunk of the warehouse stay out of the CRM,
// and of the others only those of the sales department go there.

$blackTrunks = array('warehouse');
$whiteExtensions = array('101', '102', '103');

$full = $params['call_full'];
if (in_array($full['channel']['trunk']['name'], $blackTrunks, true)) {
    return array('state' => 'success', 'data' => array('result' => false));
}

$extensions = array();
foreach ($full['conversations'] as $conversation) {
    $side = $conversation['channel']['type'] === 'outgoing' ? 'from' : 'to';
    $extensions[] = $conversation['channel'][$side]['number'];
}
// Nobody's phone rang (the caller gave up in a menu): that is for the sales department as well.
$isSales = $extensions === array() || array_intersect($extensions, $whiteExtensions) !== array();

return array('state' => 'success', 'data' => array('result' => $isSales));
