// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC20Votes} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Votes.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {Time} from "@openzeppelin/contracts/utils/types/Time.sol";

/// @title Votes on what governance may decide, and nothing else: no stake, no fee and no bond is in this token
/// @dev Its clock is time, not block.number, which on some chains is another chain's.
contract AssayVotes is ERC20, ERC20Permit, ERC20Votes {
    /// @param holder gets the whole supply; there is no minting
    constructor(address holder, uint256 supply) ERC20("Assay votes", "ASSAY") ERC20Permit("Assay votes") {
        _mint(holder, supply);
    }

    /// @notice Seconds.
    function clock() public view override returns (uint48) {
        return Time.timestamp();
    }

    /// @inheritdoc ERC20Permit
    function nonces(address owner) public view override(ERC20Permit, Nonces) returns (uint256) {
        return super.nonces(owner);
    }

    /// @notice ERC-6372.
    // solhint-disable-next-line func-name-mixedcase
    function CLOCK_MODE() public pure override returns (string memory) {
        return "mode=timestamp";
    }

    function _update(address from, address to, uint256 value) internal override(ERC20, ERC20Votes) {
        super._update(from, to, value);
    }
}
