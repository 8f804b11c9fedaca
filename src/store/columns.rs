//! Rows as PostgreSQL is given them: column by column, each an array that is one parameter. The statement is
//! the same however many rows there are.

use sea_orm::{
    ActiveModelTrait, ActiveValue, EntityName, EntityTrait, IdenStatic, Iterable, Value,
    sea_query::{
        Alias, CaseStatement, Expr, ExprTrait, Func, InsertStatement, Query, SelectStatement,
    },
};
use uuid::Uuid;

use super::error::StoreError;

/// What the rows are called in their statement.
const GIVEN: &str = "given";

/// Inserts `rows`, in their order. A column that none of them sets is left to the database.
pub(super) fn insertion<A: ActiveModelTrait>(rows: &[A]) -> Result<InsertStatement, StoreError> {
    let mut given = Query::select();
    let mut arranged = Query::select();
    let mut names = Vec::new();
    for column in <A::Entity as EntityTrait>::Column::iter() {
        let mut values = Vec::with_capacity(rows.len());
        for row in rows {
            if let ActiveValue::Set(value) | ActiveValue::Unchanged(value) = row.get(column) {
                values.push(value);
            }
        }
        if values.is_empty() {
            continue;
        }
        let name = column.as_str();
        if values.len() != rows.len() {
            return Err(unlike(name));
        }
        // What is nothing in every row is nothing by itself.
        if values.iter().all(is_null) {
            continue;
        }
        give(&mut given, &mut arranged, name, values)?;
        names.push(Alias::new(name));
    }
    arranged.from_subquery(given, Alias::new(GIVEN));
    let mut insertion = Query::insert();
    insertion
        .into_table(A::Entity::default().table_ref())
        .columns(names)
        .select_from(arranged)
        .map_err(|error| StoreError::Internal(error.to_string()))?;
    Ok(insertion)
}

/// Adds a column. sqlx binds arrays without gaps: where some rows have no value, a second array says which.
fn give(
    given: &mut SelectStatement,
    arranged: &mut SelectStatement,
    name: &str,
    values: Vec<Value>,
) -> Result<(), StoreError> {
    let known: Vec<Value> = values
        .iter()
        .map(|value| (!is_null(value)).into())
        .collect();
    let has_gaps = values.iter().any(is_null);
    let (of_type, values) = array(values).ok_or_else(|| unlike(name))?;
    let column = Expr::col((Alias::new(GIVEN), Alias::new(name)));
    given.expr_as(unnested(values, of_type), Alias::new(name));
    if !has_gaps {
        arranged.expr(column);
        return Ok(());
    }
    let is_known = Alias::new(format!("has_{name}"));
    let (of_type, known) = array(known).ok_or_else(|| unlike(name))?;
    given.expr_as(unnested(known, of_type), is_known.clone());
    let is_known = Expr::col((Alias::new(GIVEN), is_known));
    arranged.expr(CaseStatement::new().case(is_known.eq(true), column));
    Ok(())
}

fn unnested(array: Value, of_type: &'static str) -> Expr {
    Func::cust(Alias::new("unnest"))
        .arg(Func::cast_as(array, Alias::new(of_type)))
        .into()
}

fn is_null(value: &Value) -> bool {
    *value == value.as_null()
}

/// The values as one, gaps filled with anything, and the type of that.
fn array(values: Vec<Value>) -> Option<(&'static str, Value)> {
    let first = values.first()?.array_type();
    let (of_type, filling): (_, Value) = match values.first()? {
        Value::Bool(_) => ("boolean[]", false.into()),
        Value::Int(_) => ("integer[]", 0_i32.into()),
        Value::BigInt(_) => ("bigint[]", 0_i64.into()),
        Value::String(_) => ("text[]", String::new().into()),
        Value::Bytes(_) => ("bytea[]", Vec::<u8>::new().into()),
        Value::Uuid(_) => ("uuid[]", Uuid::nil().into()),
        _ => return None,
    };
    let filled = values.into_iter().map(|value| {
        if is_null(&value) {
            filling.clone()
        } else {
            value
        }
    });
    Some((
        of_type,
        Value::Array(first, Some(Box::new(filled.collect()))),
    ))
}

fn unlike(column: &str) -> StoreError {
    StoreError::Internal(format!("the rows are not alike in column {column}"))
}
