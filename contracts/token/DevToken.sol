// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title DevToken: FOR LOCAL CHAINS AND TESTS ONLY
/// @notice Anyone can mint any amount. Never deploy it where a token is worth something.
contract DevToken is ERC20 {
    constructor() ERC20("Assay development token (worthless)", "DEV") {}

    /// @notice Mints to anyone, for anyone.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
