// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {DevToken} from "../../../contracts/token/DevToken.sol";

enum Habit {
    Honest,
    ReturnsFalse, // moves nothing and says so
    Lies, // moves nothing and says it did
    TakesFee, // the recipient gets less
    ChargesSender, // the sender loses more
    Reenters,
    Reverts
}

/// @notice A token that misbehaves in a chosen way.
contract HostileToken is DevToken {
    Habit public habit;
    address private _target;
    bytes private _data;
    bool public reentered;
    bytes public reentryResult;

    error OutOfOrder();

    function setHabit(Habit habit_) external {
        habit = habit_;
    }

    function setReentry(address target, bytes calldata data) external {
        habit = Habit.Reenters;
        (_target, _data) = (target, data);
    }

    function transfer(address to, uint256 amount) public override returns (bool) {
        return _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) public override returns (bool) {
        return _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private returns (bool) {
        if (habit == Habit.ReturnsFalse) return false;
        if (habit == Habit.Lies) return true;
        if (habit == Habit.Reverts) revert OutOfOrder();
        _transfer(from, to, amount);
        if (habit == Habit.TakesFee) _burn(to, 1);
        if (habit == Habit.ChargesSender) _burn(from, 1);
        if (habit == Habit.Reenters) (reentered, reentryResult) = _target.call(_data);
        return true;
    }
}
