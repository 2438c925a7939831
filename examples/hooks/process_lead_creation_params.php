<?php
// Another tag and name for leads made by calls, and no price yet. Written as an action of the Itgrix customizer.

$params['_embedded']['tags'] = array(array('name' => 'PBX'));
$params['name'] = 'Call ' . $params['call_full']['channel']['from']['number'];
$params['price'] = 0;
unset($params['call_full']);

return array('state' => 'success', 'data' => $params);
