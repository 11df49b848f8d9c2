// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AuthorityUtils} from "@openzeppelin/contracts/access/manager/AuthorityUtils.sol";

import {IGoverned} from "./IGoverned.sol";

/// @title What governance may call, an AccessManager says; which AccessManager is said once
/// @dev OpenZeppelin's AccessManaged without a way to change the authority, and without its schedule: the delay is the
///      timelock's.
abstract contract Governed is IGoverned {
    /// @inheritdoc IGoverned
    address public immutable authority;

    modifier onlyGovernance() {
        _requireGovernance();
        _;
    }

    constructor(address authority_) {
        authority = authority_;
    }

    function _requireGovernance() private view {
        (bool allowed, ) = AuthorityUtils.canCallWithDelay(authority, msg.sender, address(this), msg.sig);
        if (!allowed) revert NotGovernance(msg.sender);
    }
}
